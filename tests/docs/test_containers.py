"""The files for containers agree with the settings, and with each other."""

import re

import pytest

from speechhub import __version__
from speechhub.settings import Settings
from tests.docs.pages import ROOT

FIXED = {"host", "port", "home"}
"""Settings that the image decides, and compose cannot change."""
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
QUADLET = (ROOT / "deploy/quadlet/speechhub.container").read_text("utf-8")
KUBERNETES = (ROOT / "deploy/kubernetes/speechhub.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(Settings.__struct_fields__) - FIXED))
def test_compose_passes_every_setting_on(name):
    """A setting in the shell or in .env reaches the server in the container."""
    variable = f"SPEECHHUB_{name.upper()}"

    assert f"\n      {variable}: ${{{variable}:-}}\n" in COMPOSE


@pytest.mark.parametrize("text", [COMPOSE, QUADLET, KUBERNETES], ids=["compose", "quadlet", "kubernetes"])
def test_folders_that_are_kept_are_mounted(text):
    """Models, voices and temporary files lie in volumes: the root cannot be written."""
    home = re.search(r"SPEECHHUB_HOME=(\S+)", CONTAINERFILE.partition("AS runtime")[2])[1]

    for folder in (f"{home}/models", f"{home}/voices", "/tmp"):
        assert re.search(rf"{re.escape(folder)}\b", text), folder


@pytest.mark.parametrize("text", [COMPOSE, QUADLET, KUBERNETES], ids=["compose", "quadlet", "kubernetes"])
def test_the_end_has_time(text):
    """A server that is asked to stop is not killed before running requests have had their time."""
    grace_s = re.search(r"(?:stop_grace_period: |StopTimeout=|GracePeriodSeconds: )(\d+)", text)[1]

    assert int(grace_s) > Settings().shutdown_timeout_s + Settings().stop_timeout_s + 5


def test_compose_starts_again_and_looks_after_itself():
    """It is there again after a crash; its health is asked for as the image asks; logs are bounded."""
    asked = re.search(r"HEALTHCHECK.*CMD \[\"(\w+)\"\]", CONTAINERFILE)[1]

    assert "\n    restart: unless-stopped\n" in COMPOSE
    assert f"\n      test: [CMD, {asked}]\n" in COMPOSE
    assert re.search(r"\n    mem_limit: \S+\n", COMPOSE)
    assert re.search(r"\n        max-size: \d+m\n", COMPOSE)


def test_nothing_in_the_containerfile_is_too_new_for_podman_4_3():
    """Debian 12's podman builds it: no heredocs, and no options of COPY that it does not know."""
    code = "\n".join(line for line in CONTAINERFILE.splitlines() if not line.startswith("#"))

    assert not re.search(r"<<|COPY[^\n]*--(link|exclude)", code)


def test_labels_tell_the_version():
    """The image's default version is the hub's."""
    assert f"\nARG VERSION={__version__}\n" in CONTAINERFILE

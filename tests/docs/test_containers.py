"""The files for containers agree with the settings, and with each other."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from speechhub import __version__
from speechhub.mirrors import MIRRORS
from speechhub.settings import Settings, load_settings
from tests.docs.pages import ROOT

FIXED = {"host", "port", "home"}
"""Settings that the image decides, and compose cannot change."""
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
QUADLET = (ROOT / "deploy/quadlet/speechhub.container").read_text("utf-8")
KUBERNETES = (ROOT / "deploy/kubernetes/speechhub.yaml").read_text("utf-8")
IMAGE = (ROOT / "compose.image.yaml").read_text("utf-8")
SYSTEMD = (ROOT / "deploy/systemd/speechhub.service").read_text("utf-8")


def composed(*names: str, environ: dict[str, str]) -> dict[str, Any]:
    """Return the service of compose files laid over each other, variables replaced as compose does it."""
    service: dict[str, Any] = {}
    for name in names:
        text = re.sub(
            r"\$\{(\w+):[-?]([^}]*)\}",
            lambda match: environ.get(match[1]) or match[2],
            (ROOT / name).read_text("utf-8"),
        )
        merge(service, yaml.safe_load(text)["services"]["speechhub"])
    service["environment"] = {key: value or "" for key, value in service["environment"].items()}
    return service


def merge(into: dict[str, Any], overlay: dict[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


@pytest.mark.parametrize("name", sorted(set(Settings.__struct_fields__) - FIXED))
def test_compose_passes_every_setting_on(name):
    """A setting in the shell or in .env reaches the server in the container."""
    variable = f"SPEECHHUB_{name.upper()}"

    default = "speechhub" if name == "allowed_hosts" else ""
    assert f"\n      {variable}: ${{{variable}:-{default}}}\n" in COMPOSE


@pytest.mark.parametrize(
    "text", [COMPOSE, IMAGE, QUADLET, KUBERNETES], ids=["compose", "image", "quadlet", "kubernetes"]
)
def test_folders_that_are_kept_are_mounted(text):
    """Models, voices and temporary files lie in volumes: the root cannot be written."""
    home = re.search(r"SPEECHHUB_HOME=(\S+)", CONTAINERFILE.partition("AS runtime")[2])[1]

    for folder in (f"{home}/models", f"{home}/voices", f"{home}/caches", "/tmp"):
        assert re.search(rf"{re.escape(folder)}\b", text), folder


def test_what_engines_build_lies_apart_from_models():
    """Some of it is pickles: not in the volume that downloads fill, but in one that engines alone write."""
    [place] = re.findall(r"XDG_CACHE_HOME=(\S+)", CONTAINERFILE)

    assert place.startswith("/srv/speechhub/caches/")


@pytest.mark.parametrize(
    "text",
    [COMPOSE, IMAGE, QUADLET, KUBERNETES, SYSTEMD],
    ids=["compose", "image", "quadlet", "kubernetes", "systemd"],
)
def test_the_end_has_time(text):
    """A server that is asked to stop is not killed before running requests have had their time."""
    grace_s = re.search(
        r"(?:stop_grace_period: |StopTimeout=|TimeoutStopSec=|GracePeriodSeconds: )(\d+)", text
    )[1]

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


@pytest.mark.parametrize(
    ("names", "environ"),
    [
        (("compose.yaml",), {"SPEECHHUB_MIRROR": "china"}),
        (("compose.yaml", "compose.china.yaml"), {}),
        (("compose.yaml", "compose.gpu.yaml", "compose.china.yaml"), {"SPEECHHUB_MIRROR": ""}),
    ],
    ids=["one setting", "overlay", "overlay with a GPU"],
)
def test_mirrors_serve_the_build_and_the_server(names, environ, tmp_path, monkeypatch):
    """One setting names the mirrors for the build, and all that the running server downloads from."""
    monkeypatch.chdir(tmp_path)
    service = composed(*names, environ=environ)

    settings = load_settings(environ=service["environment"] | {"SPEECHHUB_HOME": str(tmp_path)})

    assert service["build"]["args"]["MIRRORS"] == "china"
    assert settings.mirror == "china"
    assert settings.hf_endpoint == MIRRORS["china"].hf_endpoint


def test_without_the_setting_nothing_is_a_mirror(tmp_path, monkeypatch):
    """Compose alone builds and serves from the usual places."""
    monkeypatch.chdir(tmp_path)
    service = composed("compose.yaml", environ={})

    settings = load_settings(environ=service["environment"] | {"SPEECHHUB_HOME": str(tmp_path)})

    assert service["build"]["args"]["MIRRORS"] == "none"
    assert settings.mirror == "none"
    assert settings.hf_endpoint is None


def test_a_finished_image_runs_as_a_built_one_does():
    """compose.image.yaml builds nothing, insists on an image, and otherwise runs as compose.yaml does."""
    built = composed("compose.yaml", environ={})
    pulled = composed("compose.image.yaml", environ={"IMAGE": "registry.example.org/speechhub:0.1.0-cpu"})

    assert pulled.pop("image") == "registry.example.org/speechhub:0.1.0-cpu"
    assert "${IMAGE:?" in IMAGE
    assert pulled.pop("env_file") == ".env"
    home = re.search(r"SPEECHHUB_HOME=(\S+)", CONTAINERFILE.partition("AS runtime")[2])[1]
    assert pulled.pop("environment") == {
        "SPEECHHUB_HOST": "0.0.0.0",
        "SPEECHHUB_PORT": str(Settings().port),
        "SPEECHHUB_HOME": home,
    }
    for decided in ("image", "build", "environment"):
        del built[decided]
    assert pulled == built


def test_kubernetes_has_no_key_that_everybody_knows():
    """The example carries no Secret, and no pod starts before its operator has created one."""
    objects = list(yaml.safe_load_all(KUBERNETES))
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    volume = next(one for one in pod["volumes"] if one["name"] == "keys")
    server = pod["containers"][0]
    mount = next(one for one in server["volumeMounts"] if one["name"] == "keys")
    environ = {one["name"]: one["value"] for one in server["env"]}

    assert "Secret" not in {one["kind"] for one in objects}
    assert volume["secret"] == {"secretName": "speechhub-keys", "optional": False}
    assert environ["SPEECHHUB_API_KEYS_FILE"] == f"{mount['mountPath']}/keys"
    assert "kubectl create secret generic speechhub-keys --from-literal=keys=" in KUBERNETES


@pytest.mark.parametrize("path", sorted((ROOT / "deploy").rglob("*.*")), ids=lambda path: path.name)
def test_no_example_has_a_placeholder_for_a_key(path):
    """What is copied and started as it is must not be open to everybody who has read the example."""
    assert not re.search(r"change[-_ ]?me|your[-_]?key", path.read_text("utf-8"), re.IGNORECASE)


def test_the_systemd_unit_is_one(tmp_path):
    """The tool of systemd finds no fault with the service, once its program is there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd here")
    unit = tmp_path / "speechhub.service"
    unit.write_text(SYSTEMD.replace("/opt/speechhub/bin/speechhub", shutil.which("true")), "utf-8")

    done = subprocess.run([analyze, "verify", "--man=no", unit], text=True, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_systemd_unit_confines_the_service():
    """It writes to folders of its own, gains no rights, and reaches harmless devices and GPUs alone."""
    lines = set(SYSTEMD.splitlines())

    assert lines >= {
        "User=speechhub",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "DevicePolicy=closed",
        "SystemCallFilter=@system-service",
    }
    assert [line for line in lines if line.startswith(("DeviceAllow", "ReadWritePaths"))] == [
        "DeviceAllow=char-nvidia* rw"
    ]

"""Servers that several tests share."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.e2e.installation import Installation
from tests.e2e.server import serving
from tests.e2e.wheels import plugin_wheel, write_wheel

ECHO = {"SPEECHHUB_STT_MODEL": "echo-stt", "SPEECHHUB_TTS_MODEL": "echo-tts"}


def echo_env(**options):
    """Return the environment for a server on the echo engines, with their switches."""
    engines = {f"echo-{slot}": values for slot, values in options.items()}
    return ECHO | {"SPEECHHUB_ENGINES": json.dumps(engines)}


@pytest.fixture(scope="session")
def echo_server(tmp_path_factory):
    """A server on well-behaved echo engines."""
    with serving(tmp_path_factory.mktemp("home"), **ECHO) as server:
        yield server


@pytest.fixture
def http(echo_server):
    with httpx.Client(base_url=echo_server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """A folder that pip finds numpy in: this environment's own, by way of a link."""
    folder = tmp_path_factory.mktemp("wheels")
    packages, installed = folder / "packages", Path(np.__file__).parent.parent
    packages.mkdir()
    for name in ("numpy", "numpy.libs"):
        if (installed / name).exists():
            (packages / name).symlink_to(installed / name)
    write_wheel(folder, "numpy", "2.0.0", {"numpy_is_elsewhere.pth": f"{packages}\n"})
    plugin_wheel(folder, "echo")
    return folder


@pytest.fixture
def engines(tmp_path, wheels):
    return Installation(tmp_path, wheels)

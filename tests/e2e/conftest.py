"""Servers that several tests share."""

import json

import httpx
import pytest

from tests.e2e.server import serving

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

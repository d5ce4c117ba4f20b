"""The server that commands ask where they are told none."""

import pytest

from speechhub.cli._server import _base_url, own_address


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:9001"),
        ("0.0.0.0", "http://127.0.0.1:9001"),
        ("0", "http://0:9001"),
        ("::", "http://[::1]:9001"),
        ("0:0:0:0:0:0:0:0", "http://[::1]:9001"),
        ("[::]", "http://[::1]:9001"),
        ("::1", "http://[::1]:9001"),
        ("[::1]", "http://[::1]:9001"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:9001"),
        ("speech.example.org", "http://speech.example.org:9001"),
    ],
)
def test_it_is_the_one_of_the_settings(monkeypatch, host, address):
    """Whoever moves the server with a setting finds it with the same one."""
    monkeypatch.setenv("SPEECHHUB_HOST", host)
    monkeypatch.setenv("SPEECHHUB_PORT", "9001")

    assert own_address() == address


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://audio", "http://audio/v1"),
        ("models:8000", "http://models:8000/v1"),
        ("https://v1/v1", "https://v1/v1"),
        ("https://h/speech/v1/audio/speech", "https://h/speech/v1"),
        ("http://[::1]:8000/", "http://[::1]:8000/v1"),
    ],
)
def test_the_base_url_of_an_address(url, base):
    """Hosts may be called as routes are, and a proxy's path stays."""
    assert _base_url(url) == base

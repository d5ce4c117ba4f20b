"""The server that commands ask where they are told none."""

import pytest

from speechhub.cli._server import own_address


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

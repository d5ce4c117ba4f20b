"""Commands that ask a server, on machines whose environment names proxies."""

import http.server
import json
import sys
import threading

import click.testing
import pytest

from speechhub.cli import main
from tests.e2e.server import serving

ECHO = {"SPEECHHUB_STT_MODEL": "echo-stt", "SPEECHHUB_TTS_MODEL": "echo-tts"}
NOWHERE = "http://127.0.0.1:9"
"""No program listens there."""
VARIABLES = [
    {"http_proxy": NOWHERE},
    {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "example.org"},
    {"ALL_PROXY": "socks5h://127.0.0.1:9"},
    {"all_proxy": "socks4://127.0.0.1:9"},
    {"http_proxy": "http://[::1", "no_proxy": "["},
]


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path, logging_put_back):
    """Use an empty home and no variables of this machine, and put logging back as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEECHHUB_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A real server."""
    with serving(tmp_path_factory.mktemp("served"), **ECHO) as server:
        yield server.url


@pytest.fixture
def proxy():
    """A proxy that answers by itself, and remembers what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            """Keep quiet."""

        def answer(self):
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200 if self.path.endswith("/speech") else 502)
            self.end_headers()
            self.wfile.write(b"<html>no such host</html>")

        do_GET = do_POST = do_CONNECT = answer  # noqa: N815  # names of the standard library's

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", asked
    running.shutdown()
    running.server_close()
    thread.join()


def run(*words):
    return click.testing.CliRunner().invoke(main, [str(word) for word in words], prog_name="speechhub")


@pytest.mark.scenario("broken-proxy")
@pytest.mark.parametrize("variables", VARIABLES)
def test_this_machine_is_asked_straight(url, clip, monkeypatch, tmp_path, variables):
    """Every command that asks a server, whatever the variables say."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "clip.wav").write_bytes(clip)

    for words in (
        ["speak", "One.", "-o", "x.mp3", "--url", url],
        ["transcribe", "clip.wav", "--url", url],
        ["top", "--once", "--url", url.replace("127.0.0.1", "localhost")],
        ["engines", "load", "echo-tts", "--url", url.removeprefix("http://")],
    ):
        shown = run(*words)
        assert shown.exit_code == 0, shown.output


def test_another_machine_is_asked_through_the_proxy(proxy, monkeypatch):
    """As with any other program."""
    address, asked = proxy
    monkeypatch.setenv("http_proxy", address)

    shown = run("speak", "One.", "-o", "x.mp3", "--url", "http://speech.example.org:8000")

    assert shown.exit_code == 0, shown.output
    assert asked == ["POST http://speech.example.org:8000/v1/audio/speech"]


@pytest.mark.scenario("broken-proxy")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://speech.example.org:8000", "The server answered 502: <html>no such host</html> Requests go"),
        ("https://speech.example.org", "the proxy says 502"),
    ],
)
def test_what_the_proxy_refuses_names_it(proxy, monkeypatch, url, said):
    """Its answer is not the server's, so the message names the variable."""
    monkeypatch.setenv("HTTPS_PROXY" if url.startswith("https") else "HTTP_PROXY", proxy[0])

    shown = run("top", "--once", "--url", url)

    assert shown.exit_code == 1
    assert said in shown.stderr
    assert f"the proxy {proxy[0]} (HTTP" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.scenario("broken-proxy")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("http_proxy", NOWHERE, "through the proxy http://127.0.0.1:9 (http_proxy)"),
        ("ALL_PROXY", "socks5h://127.0.0.1:9", "-m pip install socksio"),
        ("all_proxy", "socks4://127.0.0.1:9", "all_proxy names 'socks4://127.0.0.1:9'"),
        ("HTTP_PROXY", "http://[::1", "HTTP_PROXY names 'http://[::1'"),
    ],
)
@pytest.mark.parametrize(
    "words", [["speak", "One.", "-o", "x.mp3"], ["transcribe", "clip.wav"], ["top", "--once"]]
)
def test_proxies_that_do_not_work_are_one_line(clip, monkeypatch, tmp_path, words, name, value, said):
    """It names the variable; the exit status is that of every failure."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, value)
    (tmp_path / "clip.wav").write_bytes(clip)

    shown = run(*words, "--url", "http://speech.example.org:8000")

    assert shown.exit_code == 1
    assert said in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert "Is the server running" not in shown.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("https_proxy", NOWHERE, "does not answer: ConnectError. Requests go there through the proxy"),
        ("ALL_PROXY", "socks5h://127.0.0.1:9", "-m pip install socksio"),
        ("http_proxy", "socks4://127.0.0.1:9", "http_proxy names"),
    ],
)
def test_doctors_look_outside_names_the_proxy(monkeypatch, name, value, said):
    """Each place that cannot be reached is a finding, and no traceback."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, value)

    shown = run("doctor", "--mirrors", "--json")

    assert shown.exit_code == 1
    found = [it["finding"] for it in json.loads(shown.stdout)["findings"] if "huggingface" in it["finding"]]
    assert found
    assert all(said in finding for finding in found)


@pytest.mark.parametrize(
    ("key", "status", "said"),
    [
        ("sk-\u00fc", 1, "an HTTP header cannot hold"),
        ("sk\x00x", 1, "an HTTP header cannot hold"),
        ("sk-a\nb", 1, "an HTTP header cannot hold"),
        ("sk-\udcfc", 2, "Invalid value for '--api-key'"),
    ],
)
def test_a_key_that_no_header_can_hold(url, key, status, said):
    """It is one line, which does not quote the key."""
    shown = run("top", "--once", "--url", url, "--api-key", key)

    assert shown.exit_code == status
    assert said in shown.stderr
    assert key[:3] not in shown.stderr


def test_the_port_that_the_system_chooses(monkeypatch):
    """A client cannot guess it."""
    monkeypatch.setenv("SPEECHHUB_PORT", "0")

    shown = run("top", "--once")

    assert shown.exit_code == 1
    assert "Give that address with --url" in shown.stderr

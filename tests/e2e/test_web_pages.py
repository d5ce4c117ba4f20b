"""Foreign web pages against a real server without keys: by hand on a socket, and in a real browser."""

import contextlib
import http.server
import json
import socket
import threading

import httpx
import pytest

from tests.e2e.browser import browsing
from tests.e2e.conftest import ECHO
from tests.e2e.server import serving, until
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried

EVIL = "evil.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on the loopback interface that has a public name."""
    env = ECHO | {
        "SPEECHHUB_ALLOWED_HOSTS": "speech.example.org",
        "SPEECHHUB_CORS_ORIGINS": "https://a.example",
    }
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        yield made


@pytest.fixture(scope="module")
def wide_server(tmp_path_factory):
    """A server on all of the machine's addresses."""
    env = ECHO | {"SPEECHHUB_HOST": "0.0.0.0"}
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        yield made


def port_of(server):
    return int(server.url.rsplit(":", 1)[1])


def ask(server, head, address="127.0.0.1"):
    """Send a head as it is; return the status and the error's code, if there is one."""
    with socket.create_connection((address, port_of(server)), timeout=20) as connection:
        connection.sendall(head + b"\r\n\r\n")
        data = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                data += part
                first, _, body = data.partition(b"\r\n\r\n")
                length = [it for it in first.lower().split(b"\r\n") if it.startswith(b"content-length:")]
                if body and length and len(body) >= int(length[0].split(b":")[1]):
                    break
    body = data.partition(b"\r\n\r\n")[2]
    error = json.loads(body).get("error", {}) if body.startswith(b"{") else {}
    return int(data.split(b" ", 2)[1]), error.get("code")


@pytest.mark.scenario("bad-host")
@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost", (200, None)),
        (b"GET /v1/models HTTP/1.1\r\nHost: LOCALHOST:1", (200, None)),
        (b"GET /v1/models HTTP/1.1\r\nhost: [::1]:8000", (200, None)),
        (b"GET /v1/models HTTP/1.1\r\nhost: speech.example.org", (200, None)),
        (b"GET /v1/models HTTP/1.0", (200, None)),
        (b"GET /v1/models HTTP/1.0\r\nhost: evil.example", (403, "host_not_allowed")),
        (b"GET /v1/models HTTP/1.1\r\nhost: evil.example", (403, "host_not_allowed")),
        (b"GET /nothing HTTP/1.1\r\nhost: evil.example:8000", (403, "host_not_allowed")),
        (b"GET http://localhost/v1/models HTTP/1.1\r\nhost: evil.example", (403, "host_not_allowed")),
        (b"GET /v1/models HTTP/1.1", (400, "invalid_host")),
        (b"GET /v1/models HTTP/1.1\r\nhost:", (400, "invalid_host")),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: localhost", (400, "invalid_host")),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example", (400, "invalid_host")),
        (b"GET /v1/models HTTP/1.1\r\nhost: user@localhost", (400, "invalid_host")),
        (b"GET /v1/models HTTP/1.1\r\nhost: local host", (400, "invalid_host")),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost, evil.example", (400, "invalid_host")),
        (b"GET /nothing HTTP/1.1\r\nhost: \xc3\xa4", (400, "invalid_host")),
    ],
)
def test_hosts_on_the_wire(server, head, expected):
    """What counts is the one header of the request, as the HTTP server passes it on."""
    assert ask(server, head) == expected


def test_a_server_on_all_addresses_tells_its_loopback_interface(wide_server):
    """Over the loopback interface a foreign name is refused; from the network any name will do."""
    head = b"GET /v1/models HTTP/1.1\r\nhost: evil.example"

    assert ask(wide_server, head) == (403, "host_not_allowed")
    assert ask(wide_server, b"GET /v1/models HTTP/1.1\r\nhost: localhost") == (200, None)
    if outside := own_address():
        assert ask(wide_server, head, outside) == (200, None)


def test_a_server_on_a_name_is_one_on_its_address(tmp_path):
    """The name localhost is as good as 127.0.0.1, and as safe."""
    with serving(tmp_path, **ECHO, SPEECHHUB_HOST="localhost") as server:
        assert httpx.get(f"{server.url}/v1/models").status_code == 200
        foreign = httpx.get(f"{server.url}/v1/models", headers={"host": EVIL})

        assert foreign.json()["error"]["code"] == "host_not_allowed"
        assert not server.logged("open to the network without keys")


def own_address():
    """Return an address of this machine that is not the loopback interface's; None if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: the system only looks for the way
        except OSError:
            return None
        found = probe.getsockname()[0]
    return None if found.startswith("127.") else found


@pytest.mark.scenario("foreign-page")
def test_a_foreign_page_does_nothing(server):
    """No foreign page loads a model, in an old browser or a new one; programs and known pages do."""
    evil = {"origin": f"https://{EVIL}", "content-type": "text/plain"}
    body = b'{"model": "echo-stt"}'
    url = f"{server.url}/v1/engines/load"

    for page in (evil, evil | {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        answer = httpx.post(url, content=body, headers=page)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert not server.workers()
    assert httpx.post(url, content=body, headers={"origin": "https://a.example"}, timeout=30).is_success
    assert httpx.post(url, content=body, timeout=30).is_success


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("origin: https://evil.example", (403, "origin_not_allowed")),
        ("origin: https://a.example", (404, None)),
        ("origin: http://localhost", (404, None)),
        ("accept: */*", (404, None)),
    ],
)
def test_a_foreign_pages_socket_is_refused(server, lines, expected):
    """A handshake is no preflighted request: the server has to look at its origin."""
    head = (
        "GET /v1/live HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}"
    )

    assert ask(server, head.encode()) == expected


def test_a_foreign_pages_upload_is_refused_before_it_comes(server):
    """The head alone gets its answer, whatever the body would have been."""
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n"
        b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 40000000"
    )

    assert ask(server, head) == (403, "origin_not_allowed")


class Foreign(http.server.BaseHTTPRequestHandler):
    """An attacker's site: an empty page, whatever is asked for."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title><p>hello")

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def site():
    """Port of an attacker's site on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made.server_port
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser in which the attacker's name leads to this machine."""
    rules = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    with browsing(tmp_path_factory.mktemp("profile"), rules) as page:
        yield page


def fetched(page, url, **options):
    """Let the page fetch; return the status, or what the browser says of it."""
    code = """
        const [url, options, done] = arguments;
        const told = (it) => done(it.type == "opaque" ? "opaque" : it.status);
        fetch(url, options).then(told, () => done("error"));
    """
    return page.driver.execute_async_script(code, url, options)


@pytest.mark.parametrize("where", [EVIL, "localhost"])
def test_a_page_in_a_browser_operates_nothing(server, site, browser, where):
    """A real browser's simple requests from another site, or another port of localhost, are all refused."""
    browser.driver.get(f"http://{where}:{site}/")
    before = len(refusals(server))
    asked = [
        ("POST", "/v1/engines/load", '{"model": "echo-tts"}'),
        ("POST", "/v1/engines/pin", '{"model": "echo-tts"}'),
        ("POST", "/v1/audio/speech", '{"input": "Hello."}'),
        ("GET", "/v1/audio/voices", None),
    ]

    for method, path, body in asked:
        said = fetched(browser, f"{server.url}{path}", method=method, mode="no-cors", body=body)
        assert said == "opaque"  # the browser sends it, and keeps the answer from the page

    until(lambda: len(refusals(server)) == before + len(asked), "all are refused")
    engines = httpx.get(f"{server.url}/v1/engines").json()["data"]
    assert {it["state"] for it in engines if it["id"] == "echo-tts"} == {"unloaded"}
    assert not any(it["pinned"] for it in engines)


def refusals(server):
    return [line for line in server.logged("request") if line.get("error") == "OriginNotAllowedError"]


HANDSHAKE = """
    const [url, done] = arguments;
    const socket = new WebSocket(url, ["realtime"]);
    socket.onmessage = ({ data }) => { done(JSON.parse(data).type); socket.close(); };
    socket.onclose = ({ code }) => done(code);
"""
"""Opens a WebSocket; the first event's type, or the code of its end."""


@pytest.mark.scenario("foreign-page")
@pytest.mark.parametrize("where", [EVIL, "localhost"])
def test_a_page_in_a_browser_opens_no_websocket(server, site, browser, where):
    """A browser opens a WebSocket for a page of another site, or of another port, without a preflight."""
    browser.driver.get(f"http://{where}:{site}/")
    before = len(refusals(server))
    address = f"{server.url.replace('http', 'ws')}/v1/realtime?intent=transcription"

    assert browser.driver.execute_async_script(HANDSHAKE, address) == 1006
    until(lambda: len(refusals(server)) == before + 1, "it is refused")
    assert not server.logged("session")


@pytest.mark.scenario("rebinding")
def test_a_rebound_page_reads_nothing(server, browser):
    """Under the attacker's name the browser takes the server for the page's own; the server does not."""
    browser.driver.get(f"http://{EVIL}:{port_of(server)}/")

    assert "host_not_allowed" in browser.text()
    for path in ("/v1/models", "/health", "/v1/audio/voices"):
        assert fetched(browser, path) == 403
    assert fetched(browser, "/v1/audio/speech", method="POST", body='{"input": "Hello."}') == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_servers_own_page_works_in_a_browser(server, browser, name):
    """What a page of the same origin asks for is served, over a WebSocket too."""
    browser.driver.get(f"http://{name}:{port_of(server)}/")
    said = fetched(browser, "/v1/audio/speech", method="POST", body='{"input": "Hello."}')

    assert said == 200
    address = f"ws://{name}:{port_of(server)}/v1/realtime?intent=transcription"
    assert browser.driver.execute_async_script(HANDSHAKE, address) == "session.created"


def test_uploads_of_programs_are_as_before(server):
    """A client that sends neither header notices nothing."""
    answer = httpx.post(f"{server.url}/v1/audio/transcriptions", files={"file": wav(1)}, timeout=30)

    assert answer.status_code == 200

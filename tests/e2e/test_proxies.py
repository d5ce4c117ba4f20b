"""nginx and Caddy in front of a server, with TLS, as docs/security.md shows them."""

import base64
import contextlib
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.docs.pages import ROOT
from tests.e2e.conftest import echo_env
from tests.e2e.server import free_port, serving, until
from tests.fakes.babble import babble, talk, wav_of
from tests.http.conftest import wav

PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEY = "the-right-key"
GOOD = {"authorization": f"Bearer {KEY}"}
SHORT = "One. Two. Three."
"""Less than any buffer: whoever has the first piece while the engine works did not wait for the last."""
LONG = " ".join(f"Sentence {number}." for number in range(60))
"""Longer than any test waits."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that takes a second for each sentence, and has a key."""
    env = echo_env(tts={"work_s": 1.0}) | {"SPEECHHUB_API_KEYS": KEY}
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for localhost, made here."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    command += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def replaced(text, changes):
    """Put what this machine has in the place of what the sample names, all of which must be there."""
    for shown, here in changes.items():
        assert text.count(shown) == 1, shown
        text = text.replace(shown, here)
    return text


def nginx_command(folder, upstream, port, certificate):
    site = (ROOT / "deploy/nginx/speechhub.conf").read_text("utf-8")
    site = replaced(
        site,
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "server_name speech.example.org": "server_name localhost speech.example.org",
            "/etc/ssl/speech.pem": f"{certificate}/cert.pem",
            "/etc/ssl/private/speech.key": f"{certificate}/key.pem",
            "http://127.0.0.1:8000": upstream,
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # The master process alone, as whoever runs the tests; no daemon to lose sight of.
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{site}}}\n"
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy_command(folder, upstream, port, certificate):
    site = (ROOT / "deploy/caddy/Caddyfile").read_text("utf-8")
    site = replaced(
        site,
        {
            # No authority gives a certificate for this: ours takes the place of the one that Caddy fetches.
            "speech.example.org {": f"https://localhost:{port}, https://speech.example.org:{port} {{"
            "\n\tbind 127.0.0.1\n"
            f"\ttls {certificate}/cert.pem {certificate}/key.pem",
            "127.0.0.1:8000": upstream.removeprefix("http://"),
        },
    )
    options = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(options + site)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


COMMANDS = {"nginx": nginx_command, "caddy": caddy_command}


@pytest.fixture(scope="module", params=COMMANDS)
def proxy(request, tmp_path_factory, server, certificate):
    """A client that talks to the server through a proxy; its base URL is the proxy's."""
    with in_front(request.param, server, tmp_path_factory.mktemp(request.param), certificate) as client:
        yield client


@contextlib.contextmanager
def in_front(kind, server, folder, certificate):
    """Run a proxy in front of a server, and yield a client of it."""
    if not shutil.which(kind, path=PLACES):
        pytest.skip(f"there is no {kind} here; Debian's package of that name has it")
    port = free_port()
    command = COMMANDS[kind](folder, server.url, port, certificate)
    environment = {"PATH": PLACES, "HOME": str(folder)}
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    trust = ssl.create_default_context(cafile=certificate / "cert.pem")
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trust, timeout=60) as client:
            until(lambda: running.poll() is not None or answers(client), f"{kind} answers")
            assert running.poll() is None, running.stderr.read().decode()
            yield client
    finally:
        running.terminate()
        running.communicate(timeout=30)


def answers(client):
    try:
        return client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def through(client, certificate, path, *, name="localhost", **options):
    """Open a WebSocket to the server by way of a proxy, under a name of its own."""
    trust = ssl.create_default_context(cafile=certificate / "cert.pem")
    address = client.base_url
    connection = socket.create_connection((address.host, address.port), timeout=60)
    return connect(
        f"wss://{name}{path}",
        sock=connection,
        ssl=trust,
        server_hostname="localhost",
        open_timeout=60,
        **options,
    )


def next_event(opened, wanted=None):
    """Return the next event; if a type is *wanted*, the next of that type, with no error before it."""
    while True:
        event = json.loads(opened.recv(timeout=60))
        if wanted in (None, event["type"]):
            return event
        assert event["type"] != "error", event


class Told(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that came."""

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def upstream():
    """Run a server that shows what a proxy makes of a request."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told) as made:
        made.url = f"http://127.0.0.1:{made.server_port}"
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def busy(server):
    models = httpx.get(f"{server.url}/health", headers=GOOD).json()["models"]
    return any(model["busy"] for model in models)


@pytest.mark.mission("10.10")
@pytest.mark.parametrize(
    "fields", [{"response_format": "mp3"}, {"stream_format": "sse"}], ids=["audio", "sse"]
)
@pytest.mark.parametrize("text", [SHORT, LONG], ids=["short", "long"])
def test_speech_comes_piece_by_piece_and_a_hang_up_ends_it(proxy, server, fields, text):
    """The first piece is there while the engine still works; a client that leaves takes its work with it."""
    body = {"model": "tts-1", "input": text} | fields
    with proxy.stream("POST", "/v1/audio/speech", json=body, headers=GOOD) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        assert next(pieces)
        assert busy(server)

    until(lambda: not busy(server), "the work stops")


def test_a_transcript_comes_as_events(proxy):
    """Events of a transcript pass, from the first to the last."""
    form = {"model": "whisper-1", "stream": "true"}
    answer = proxy.post("/v1/audio/transcriptions", data=form, files={"file": wav(3)}, headers=GOOD)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "transcript.text.delta" in answer.text
    assert "transcript.text.done" in answer.text


def test_a_large_upload_passes(proxy):
    """48 MiB, nearly the server's limit, are transcribed."""
    recording = wav_of(np.tile(babble(10), 150))
    assert 45 < len(recording) / 2**20 < 50

    answer = proxy.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": recording}, headers=GOOD
    )

    assert answer.status_code == 200, answer.text[:200]
    assert answer.json()["usage"]["seconds"] == 1500


def test_refusals_are_the_servers_own(proxy):
    """What is wrong with a request is said as without the proxy."""
    keyless = proxy.get("/v1/models")
    nonsense = proxy.post("/v1/audio/speech", json={"model": "nope", "input": "x"}, headers=GOOD)
    unfit = proxy.post("/v1/audio/transcriptions", files={"file": b"no audio"}, headers=GOOD)

    assert keyless.status_code == 401
    assert keyless.headers["www-authenticate"].startswith("Bearer")
    assert keyless.headers["x-request-id"].startswith("req_")
    assert (nonsense.status_code, nonsense.json()["error"]["code"]) == (404, "model_not_found")
    assert unfit.status_code == 400


@pytest.mark.scenario("refused-while-sending")
@pytest.mark.parametrize("size", [20_000, 1_000_000, 20_000_000])
def test_a_refusal_before_the_body_passes(proxy, size):
    """The client sees the server's status and message, and not the proxy's 502."""
    for _ in range(10):
        wrong = proxy.post(
            "/v1/audio/transcriptions", files={"file": bytes(size)}, headers={"authorization": "Bearer wrong"}
        )
        nowhere = proxy.post("/v1/nowhere", files={"file": bytes(size)}, headers=GOOD)

        assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "invalid_api_key")
        assert (nowhere.status_code, nowhere.json()["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_server_without_keys_knows_the_public_name(kind, tmp_path, certificate):
    """The proxy hands the public name on, which the server has to be told; the page's browser may call."""
    (tmp_path / "home").mkdir()
    (tmp_path / "proxy").mkdir()
    with (
        serving(tmp_path / "home", **echo_env(), SPEECHHUB_ALLOWED_HOSTS="speech.example.org") as server,
        in_front(kind, server, tmp_path / "proxy", certificate) as client,
    ):
        public = {"host": "speech.example.org"}
        page = public | {"origin": "https://speech.example.org", "sec-fetch-site": "same-origin"}
        evil = public | {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        listed = client.get("/v1/models", headers=public)
        spoken = client.post("/v1/audio/speech", json={"input": "Hello."}, headers=page)
        refused = client.post("/v1/audio/speech", json={"input": "Hello."}, headers=evil)
        rebound = httpx.get(f"{server.url}/v1/models", headers={"host": "evil.example"})

    assert (listed.status_code, spoken.status_code) == (200, 200)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert (rebound.status_code, rebound.json()["error"]["code"]) == (403, "host_not_allowed")


def test_too_large_an_upload_is_a_413(proxy):
    """Whoever refuses it, proxy or server, it is no error of the server's."""
    answer = proxy.post(
        "/v1/audio/transcriptions", files={"file": bytes(60 * 2**20)}, headers=GOOD | {"connection": "close"}
    )

    assert answer.status_code == 413


def test_a_websocket_talks_both_ways(proxy, server, certificate):
    """Sound goes out and events come back on a connection that stays open; the server hears how it ended."""
    ended = len(server.logged("session"))
    options = {"additional_headers": GOOD, "subprotocols": ["realtime"]}
    with through(proxy, certificate, "/v1/realtime?intent=transcription", **options) as opened:
        assert opened.subprotocol == "realtime"
        assert next_event(opened)["type"] == "session.created"
        sound = (talk(2, 1, rate=24_000) * 32767).astype("<i2").tobytes()
        for start in range(0, len(sound), 4800):
            piece = base64.b64encode(sound[start : start + 4800]).decode()
            opened.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))
        begun = next_event(opened, "input_audio_buffer.speech_started")
        heard = next_event(opened, "conversation.item.input_audio_transcription.completed")
        opened.close(4001, "enough")

    assert heard["item_id"] == begun["item_id"]
    assert heard["transcript"]
    until(lambda: len(server.logged("session")) > ended, "the session ends")
    assert server.logged("session")[-1]["close_code"] == 4001


def test_codes_and_reasons_of_the_end_arrive(proxy, certificate):
    """A client without a key learns from the server itself why its session ended."""
    wrong = {"authorization": "Bearer wrong"}
    with through(proxy, certificate, "/v1/realtime", additional_headers=wrong) as opened:
        refused = next_event(opened)
        with pytest.raises(ConnectionClosed) as ended:
            opened.recv(timeout=60)

    assert refused["error"]["code"] == "invalid_api_key"
    assert ended.value.rcvd.code == 3000
    assert ended.value.rcvd.reason.endswith("invalid_api_key")


def test_text_becomes_speech_while_it_is_written(proxy, certificate):
    """ElevenLabs' WebSocket passes as well: the first sentence sounds before the last word was sent."""
    path = "/v1/text-to-speech/default/stream-input?output_format=pcm_24000"
    with through(proxy, certificate, path, additional_headers={"xi-api-key": KEY}) as opened:
        opened.send(json.dumps({"text": " "}))
        opened.send(json.dumps({"text": "The first sentence. And the "}))
        first = json.loads(opened.recv(timeout=60))
        opened.send(json.dumps({"text": "second one. "}))
        opened.send(json.dumps({"text": ""}))
        rest = [json.loads(message) for message in opened]

    assert base64.b64decode(first["audio"])
    assert [bool(it.get("isFinal")) for it in rest] == [False] * (len(rest) - 1) + [True]


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_proxys_own_page_may_open_a_websocket(kind, tmp_path, certificate):
    """On a server without keys the page under the public name may, and a foreign page may not."""
    (tmp_path / "home").mkdir()
    (tmp_path / "proxy").mkdir()
    with (
        serving(tmp_path / "home", **echo_env(), SPEECHHUB_ALLOWED_HOSTS="speech.example.org") as server,
        in_front(kind, server, tmp_path / "proxy", certificate) as client,
    ):

        def page_of(origin):
            return through(client, certificate, "/v1/realtime", name="speech.example.org", origin=origin)

        with page_of("https://speech.example.org") as opened:
            assert next_event(opened)["type"] == "session.created"
        with pytest.raises(InvalidStatus) as refused, page_of("https://evil.example"):
            pass

    assert refused.value.response.status_code == 403


def test_nginx_switches_to_no_other_protocol(tmp_path, certificate):
    """Requests of a client that switched to HTTP/2 would pass unseen, so nginx forwards WebSockets only."""
    with upstream() as told, in_front("nginx", told, tmp_path, certificate) as client:
        handshake = {"connection": "Upgrade", "upgrade": "WebSocket"}
        tunnel = {"connection": "upgrade, http2-settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}
        switched = client.get("/", headers=handshake).json()
        kept = client.get("/", headers=tunnel).json()
        plain = client.get("/").json()

    assert (switched["upgrade"], switched["connection"]) == ("websocket", "upgrade")
    for seen in (kept, plain):
        assert not {"upgrade", "connection"} & seen.keys()


@pytest.mark.parametrize("path", ["deploy/nginx/speechhub.conf", "deploy/caddy/Caddyfile"])
def test_the_page_shows_what_is_tested(path):
    """docs/security.md shows each sample word by word."""
    text = (ROOT / path).read_text("utf-8").expandtabs(4)
    shown = text.partition("\n")[2]

    assert f"\n```text\n{shown}```\n" in (ROOT / "docs/security.md").read_text("utf-8")


def test_nginx_limits_one_address(tmp_path, server, certificate):
    """One client cannot take all of the server's connections: it gets as many as the sample says."""
    with in_front("nginx", server, tmp_path, certificate) as client:
        address = (client.base_url.host, client.base_url.port)
        context = ssl.create_default_context(cafile=f"{certificate}/cert.pem")
        head = (
            b"POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            + f"authorization: Bearer {KEY}\r\n".encode()
            + b"content-length: 90\r\n\r\n{"
        )
        with contextlib.ExitStack() as connections:
            for _ in range(64):
                plain = connections.enter_context(socket.create_connection(address, timeout=20))
                held = connections.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
                held.sendall(head)
            until(lambda: client.get("/health/live").status_code == 503, "the limit is reached")
        until(lambda: client.get("/health/live").status_code == 200, "the connections are free again")

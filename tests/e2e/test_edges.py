"""The edges of the server, over real sockets: refusals before the body, stalled uploads, limits."""

import contextlib
import json
import select
import shutil
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.conftest import echo_env
from tests.e2e.server import serving, until
from tests.http.conftest import wav

FORM = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
IDLE_S = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with keys, a small upload limit and little patience."""
    env = echo_env(stt={"work_s": 0.5}) | {
        "SPEECHHUB_API_KEYS": "right,other",
        "SPEECHHUB_MAX_UPLOAD_BYTES": "3000000",
        "SPEECHHUB_UPLOAD_IDLE_TIMEOUT_S": str(IDLE_S),
    }
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        until(lambda: answers(made), "the server answers")
        yield made


def answers(server):
    with contextlib.suppress(httpx.ConnectError):
        return httpx.get(f"{server.url}/health/live").status_code == 200


def connect(server):
    connection = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    connection.settimeout(20)
    return connection


def head(*extra, key="right", path="/v1/audio/transcriptions", kind="multipart/form-data; boundary=b"):
    """Return the head of a POST."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {kind}", *extra]
    lines += [f"authorization: Bearer {key}"] if key else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_answer(connection):
    """Return status, headers and JSON of an answer, and whether the connection ended behind it."""
    data, ended = b"", False
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    first, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = first.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(rest) < int(headers.get("content-length", 0)):
        rest += connection.recv(65536)
    if select.select([connection], [], [], 2 if status.split()[1] != "200" else 0)[0]:
        try:
            ended = connection.recv(1) == b""
        except ConnectionError:
            ended = True
    return int(status.split()[1]), headers, json.loads(rest or b"null"), ended


@pytest.mark.mission("9.12")
@pytest.mark.parametrize(
    ("key", "length", "status"),
    [(None, 2_000_000, 401), ("wrong", 2_000_000, 401), ("right", 50_000_000, 413)],
)
@pytest.mark.parametrize("expect", [True, False])
def test_a_refusal_comes_before_the_body(server, key, length, status, expect):
    """Who is refused by key or announced length hears so at once, and is never asked to go on."""
    with connect(server) as connection:
        extra = ["expect: 100-continue"] if expect else []
        connection.sendall(head(f"content-length: {length}", *extra, key=key))

        got, headers, body, ended = read_answer(connection)

    assert got == status
    assert body["error"]["message"]
    assert headers["x-request-id"]
    assert ended, "what is left of the body must not be taken for the next request"


def test_expect_continue_is_answered_when_the_body_is_wanted(server):
    """A client that asks first is told to go on, and then gets its transcript."""
    body = FORM + wav(1) + b"\r\n--b--\r\n"
    with connect(server) as connection:
        connection.sendall(head(f"content-length: {len(body)}", "expect: 100-continue"))
        go_on = connection.recv(65536)
        connection.sendall(body)

        status, _, answer, _ = read_answer(connection)

    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (status, bool(answer["text"])) == (200, True)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("key", "status"), [("wrong", 401), ("right", 413)])
def test_curl_sends_nothing_in_vain(server, tmp_path, key, status):
    """Curl asks before it sends much, and so sends not one byte of a large file that is refused."""
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(50_000_000))

    url = f"{server.url}/v1/audio/transcriptions"
    options = ["-s", "-o", tmp_path / "out", "-w", "%{http_code} %{size_upload}"]
    said = subprocess.run(
        ["curl", *options, "-H", f"Authorization: Bearer {key}", "-F", f"file=@{path}", url],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout

    assert said == f"{status} 0"


@pytest.mark.parametrize("announced", [True, False])
def test_a_refused_body_is_not_swallowed(server, announced):
    """Who sends on without asking is cut off early, not after all of its 200 MB."""
    piece = bytes(1_000_000)
    extra = f"content-length: {200 * len(piece)}" if announced else "transfer-encoding: chunked"
    frame = piece if announced else b"%x\r\n%b\r\n" % (len(piece), piece)
    sent = 0
    with connect(server) as connection:
        connection.sendall(head(extra, key="wrong"))
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(frame)
                sent += 1

    assert sent < 100


def test_clients_that_ignore_the_refusal_still_see_it(server):
    """An ordinary client that writes its whole body first gets the 401, not a broken connection."""
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        files={"file": bytes(40_000_000)},
        headers={"authorization": "Bearer wrong"},
        timeout=30,
    )

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("key", "before", "status"), [("wrong", 1, 401), ("right", 35, 413)])
def test_a_client_that_still_writes_hears_the_refusal(server, announced, key, before, status):
    """A client that is refused in the middle can write the rest, and is told that the connection ends."""
    pieces = [FORM] + [bytes(100_000)] * 40
    extra = f"content-length: {sum(map(len, pieces))}" if announced else "transfer-encoding: chunked"
    frames = pieces if announced else [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    with connect(server) as connection:
        connection.sendall(head(extra, key=key) + b"".join(frames[:before]))
        answer = connection.recv(65536)
        for frame in frames[before:]:
            connection.sendall(frame)
        while data := connection.recv(65536):
            answer += data

    first, _, body = answer.partition(b"\r\n\r\n")
    assert int(first.split()[1]) == status
    assert b"\r\nconnection: close\r\n" in first
    assert json.loads(body)["error"]["message"]


STALLED = {
    "without a byte": (head("content-length: 900000"), None),
    "in the recording": (head("content-length: 900000") + FORM + bytes(5000), None),
    "a byte at a time": (head("content-length: 900000") + FORM + bytes(5000), b"x"),
    "in a chunk": (head("transfer-encoding: chunked") + b"5\r\n--b\r\n\r\n", None),
    "JSON": (head("content-length: 90", path="/v1/audio/speech", kind="application/json") + b"{", None),
}
"""How a body stops: what is sent of it, and what drips afterwards."""


@pytest.mark.scenario("stalled-upload")
def test_a_stalled_upload_is_given_up(server):
    """An upload that stops, or drips, is a 408 in OpenAI's shape, and its connection ends."""

    def stalled(begin, drip):
        with connect(server) as connection:
            connection.sendall(begin)
            while drip and not select.select([connection], [], [], IDLE_S / 10)[0]:
                connection.sendall(drip)
            return read_answer(connection)

    with ThreadPoolExecutor(len(STALLED)) as clients:
        answered = dict(zip(STALLED, clients.map(stalled, *zip(*STALLED.values(), strict=True)), strict=True))

    for how, (status, headers, body, ended) in answered.items():
        assert (status, body["error"]["code"]) == (408, "upload_timeout"), how
        assert headers["x-request-id"], how
        assert ended, how


def test_a_slow_upload_that_moves_is_served(server):
    """An upload may take longer than the limit, as long as it moves."""
    body = FORM + wav(1) + b"\r\n--b--\r\n"
    step = len(body) // 8
    with connect(server) as connection:
        connection.sendall(head(f"content-length: {len(body)}"))
        for start in range(0, len(body), step):
            # Nothing may come before the body is complete: waiting for it is the pause.
            assert not select.select([connection], [], [], IDLE_S / 4)[0]
            connection.sendall(body[start : start + step])

        status, _, _, _ = read_answer(connection)

    assert status == 200


def test_work_is_not_an_idle_upload(tmp_path):
    """Once the body is there, an answer may take far longer than an upload may stand still."""
    env = echo_env(stt={"work_s": 1.5}) | {"SPEECHHUB_UPLOAD_IDLE_TIMEOUT_S": "0.2"}
    with serving(tmp_path, **env) as server:
        until(lambda: answers(server), "the server answers")

        assert transcribe(server).status_code == 200


def transcribe(server, key="right"):
    return httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        files={"file": wav(1)},
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
    )


@pytest.mark.parametrize(
    ("request_line", "extra", "status"),
    [
        ("GET /v1/models HTTP/1.1", f"x-long: {'a' * 2_000_000}\r\n", b"431"),
        ("GET /v1/models HTTP/1.1", "".join(f"x-{n}: a\r\n" for n in range(200)), b"431"),
        (f"GET /v1/models?{'a' * 100_000} HTTP/1.1", "", b"414"),
    ],
    ids=["long", "many", "address"],
)
def test_a_head_has_its_limits(server, request_line, extra, status):
    """Nobody fills the memory with headers, key or no key."""
    with connect(server) as connection:
        with contextlib.suppress(ConnectionError):  # it need not be read to its end
            connection.sendall(f"{request_line}\r\nhost: localhost\r\n{extra}\r\n".encode())

        assert connection.recv(65536).split(b" ")[1] == status


@pytest.mark.invariant("leaver-frees-place")
@pytest.mark.parametrize("share", [0.5, 1.0], ids=["uploads", "work"])
def test_clients_that_leave_give_their_slots_back(tmp_path, share):
    """Slots of uploads and of work that a client abandoned are free again, long before their time is up."""
    env = echo_env(stt={"work_s": 60.0}) | {"SPEECHHUB_CONCURRENCY_LIMIT": "2"}
    body = FORM + wav(1) + b"\r\n--b--\r\n"
    sent = head(f"content-length: {len(body)}") + body[: round(len(body) * share)]
    with serving(tmp_path, **env) as server:
        until(lambda: answers(server), "the server answers")
        with contextlib.ExitStack() as connections:
            holders = [begin(server, sent, connections) for _ in range(2)]
            until(lambda: are_taken(server, sent, holders, connections), "both slots are taken")

        until(lambda: speak(server) == 200, "the slots are free", deadline_s=10)


def begin(server, sent, connections):
    """Return a connection that has sent the beginning of a request."""
    connection = connections.enter_context(connect(server))
    connection.sendall(sent)
    return connection


def are_taken(server, sent, holders, connections):
    """Tell whether a third request is refused; a holder that was refused, by one in between, begins anew."""
    for index, holder in enumerate(holders):
        if select.select([holder], [], [], 0)[0]:
            holder.close()
            holders[index] = begin(server, sent, connections)
    return speak(server) == 429


def speak(server):
    return httpx.post(f"{server.url}/v1/audio/speech", json={"input": "Hello."}, timeout=30).status_code


def test_keys_stay_out_of_the_log(server):
    """After all of this, no key is in the log, and no wrong one either."""
    thread = threading.Thread(target=transcribe, args=(server, "wrong-and-secret"))
    thread.start()
    thread.join(30)
    until(lambda: "InvalidApiKeyError" in server.log_text(), "the refusal is logged")

    for key in ("wrong-and-secret", '"right"', "Bearer"):
        assert key not in server.log_text()


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        ("/v1/live?intent=transcription", "right", 404, None),
        ("/openai/v1/live", "right", 404, None),
        ("/v9/realtime", "right", 404, None),
        ("/v1/live", "wrong", 401, "invalid_api_key"),
    ],
)
def test_a_websocket_is_refused_as_a_request_would_be(server, path, key, status, code):
    """Its client is told what is wrong, in the usual shape, and so is the operator."""
    request_id = f"socket-{path}-{key}".replace("/", ".").replace("?", ".").replace("=", ".")
    handshake = (
        f"GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"x-request-id: {request_id}\r\nauthorization: Bearer {key}\r\n\r\n"
    )
    with connect(server) as connection:
        connection.sendall(handshake.encode())
        found, headers, answer, _ = read_answer(connection)

    assert found == status
    assert answer["error"]["code"] == code
    assert answer["error"]["type"] == "invalid_request_error"
    assert headers["x-request-id"] == request_id
    (line,) = until(
        lambda: [it for it in server.logged("request") if it["request_id"] == request_id], "it is logged"
    )
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", path.partition("?")[0], status)


SILENT = 300
"""More than a server took in all, when 128 clients that said nothing locked out everybody else."""


@pytest.mark.parametrize(
    "begin_with",
    [
        b"",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
    ids=["silent", "half a head", "kept alive"],
)
def test_idle_connections_leave_room_for_others(server, begin_with):
    """Probes and honest clients are served at once, however many connections do nothing."""
    with contextlib.ExitStack() as connections:
        for _ in range(SILENT):
            connections.enter_context(connect(server)).sendall(begin_with)

        assert httpx.get(f"{server.url}/health/live", timeout=2).status_code == 200
        assert transcribe(server).status_code == 200


def test_http2_without_tls_is_not_spoken(server):
    """Its connections would stay for ever, and its heads may be 4 MB."""
    with connect(server) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(4096):
                answer += data

    assert not answer or answer.startswith(b"HTTP/1.1 4")


def test_the_connection_limit_is_told(tmp_path):
    """Connections beyond the limit wait, the log says so, and all goes on when some have ended."""
    env = echo_env() | {"SPEECHHUB_CONNECTION_LIMIT": "20"}
    with serving(tmp_path, **env) as server:
        until(lambda: answers(server), "the server answers")
        with contextlib.ExitStack() as connections:
            for _ in range(30):
                connections.enter_context(connect(server))
            until(lambda: "connection limit reached" in server.log_text(), "the log tells")
        until(lambda: answers(server), "the server answers again")
        until(lambda: "below their limit again" in server.log_text(), "the log tells that, too")
        assert "speechhub_connection_limit 20.0" in httpx.get(f"{server.url}/metrics").text


def test_few_open_files_are_fewer_connections(tmp_path):
    """Where the system allows few files, clients wait, and files can still be opened and workers started."""
    env = echo_env()
    few = ("prlimit", "--nofile=256:256")
    with serving(tmp_path, through=few, **env) as server:
        until(lambda: answers(server), "the server answers")
        assert "fewer connections than connection_limit" in server.log_text()
        with contextlib.ExitStack() as connections:
            for _ in range(400):
                connections.enter_context(connect(server))
            until(lambda: "connection limit reached" in server.log_text(), "the log tells")
            assert server.descriptors() < 256
        assert transcribe(server).status_code == 200

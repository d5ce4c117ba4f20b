"""WebSockets under the real server, on a route that repeats what it hears: hostile clients, and the end."""

import contextlib
import re
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.e2e.conftest import ECHO
from tests.e2e.server import Server, alive, serving, until
from tests.fakes.echo_route import PATH

pytestmark = pytest.mark.unhurried

THROUGH = (sys.executable, str(Path(__file__).with_name("echo_serve.py")))
SUBPROTOCOL = "openai-insecure-api-key."
KEY = "a-key-that-no-log-may-have"
MIB = 1024 * 1024
PATIENCE_S = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("home"), through=THROUGH, **ECHO) as server:
        yield server


@pytest.fixture
def other(server):
    """Another session of the server, which nothing of what happens may disturb."""
    with opened(server) as session:
        yield session
        session.send("still here")
        assert session.recv(PATIENCE_S) == "still here"
        assert httpx.get(f"{server.url}/health").status_code == 200


def url(server, path=PATH):
    return server.url.replace("http://", "ws://") + path


@contextlib.contextmanager
def opened(server, path=PATH, **facts):
    """Connect with a real client, past the greeting."""
    with connect(url(server, path), max_size=None, compression=None, proxy=None, **facts) as session:
        assert session.recv(PATIENCE_S) == "hello"
        yield session


def close_of(session):
    """Read on until the connection ends; return its code and reason."""
    try:
        while True:
            session.recv(PATIENCE_S)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None


def by_hand(server, name, path=PATH):
    """Connect without a library, so that nothing is read or answered unasked; *name* is the request's id."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"x-request-id: {name}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return connection


def frame(data, *, opcode=0x1, final=True):
    """Return a short frame of a client, masked with zeros."""
    return bytes([opcode | 0x80 * final, 0x80 | len(data), 0, 0, 0, 0]) + data


def ended(server, name):
    """Wait for a session's line in the log; return it."""
    lines = until(
        lambda: [line for line in server.logged("session") if line["request_id"] == name], f"{name} has ended"
    )
    assert len(lines) == 1
    return lines[0]


@pytest.mark.scenario("socket-rubbish")
def test_a_message_larger_than_a_frame_ends_only_its_own_session(server, other):
    """17 MiB in one frame: Granian ends the connection, without a code."""
    with opened(server, additional_headers={"x-request-id": "large"}) as session:
        with contextlib.suppress(ConnectionClosed):  # it may end while we write
            session.send(bytes(17 * MIB))
        assert close_of(session) in (None, (1005, ""))

    assert ended(server, "large")["close_code"] == 1005


def test_a_message_in_fragments_is_one_message(server, other):
    """Also with pings between them; in all it may be larger than one frame may be."""
    with opened(server) as session:
        session.send(bytes(MIB) for _ in range(18))
        assert len(session.recv(PATIENCE_S)) == 18 * MIB
    with by_hand(server, "fragments") as raw:
        raw.sendall(frame(b"He", final=False) + frame(b"?", opcode=0x9) + frame(b"llo", opcode=0x0))
        wanted = [b"\x81\x05hello", b"\x8a\x01?", b"\x81\x05Hello"]
        heard = b""
        while len(heard) < len(b"".join(wanted)):
            heard += raw.recv(100)
        assert sorted(wanted) == sorted(part for part in wanted if part in heard)


@pytest.mark.scenario("socket-rubbish")
@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00" * 200,
        b"\xff" * 200,
        frame(b"\xff\xfe is no text"),
        frame(b"x", opcode=0x3),
        frame(b"no beginning", opcode=0x0),
        b"\x81\x05hello",  # not masked
        b"\x81\xff" + struct.pack(">Q", 2**62) + bytes(4) + b"x",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_rubbish_ends_only_its_own_session(server, other, rubbish, request):
    name = re.sub(r"\W", "", request.node.name) + str(len(rubbish))
    with by_hand(server, name) as raw:
        raw.sendall(rubbish)
        with contextlib.suppress(ConnectionResetError):
            while raw.recv(1000):
                pass

    assert ended(server, name)["close_code"] in (1002, 1005, 1007)
    assert not server.logged("unexpected error")


def test_ten_thousand_tiny_messages_come_back_in_order(server, other):
    with opened(server) as session:
        sending = threading.Thread(target=lambda: [session.send(f"{number} ") for number in range(10_000)])
        sending.start()
        heard = [session.recv(PATIENCE_S) for _ in range(10_000)]
        sending.join()

    assert heard == [f"{number} " for number in range(10_000)]


@pytest.mark.scenario("socket-slow")
def test_a_client_that_sends_and_reads_nothing_is_held_back(server, other):
    """Neither side gets further; nothing piles up in the server."""
    server.forget_peak()
    before_bytes = server.peak_bytes()
    message = bytes([0x82, 0xFE]) + struct.pack(">H", 60_000) + bytes(4) + bytes(60_000)
    with by_hand(server, "flooding") as raw:
        raw.settimeout(2)
        with pytest.raises(TimeoutError):
            raw.sendall(message * 5000)  # 300 MB

        assert server.peak_bytes() - before_bytes < 60 * MIB


@pytest.mark.scenario("socket-slow")
def test_a_client_that_reads_nothing_is_cut_off(server, other):
    """What it was sent is given up, and no descriptor stays open."""
    descriptors = server.descriptors()
    with by_hand(server, "impatient", f"{PATH}/impatient") as raw:
        raw.sendall(frame(b"flood"))
        line = ended(server, "impatient")
        until(lambda: server.descriptors() <= descriptors, "the connection is closed")

    assert (line["close_code"], line["closed_by"], line["ended"]) == (1008, "server", "slow_consumer")


def _closes(raw):
    raw.sendall(frame(struct.pack(">H", 4123), opcode=0x8))
    while raw.recv(MIB):  # what was on its way, and the answer
        pass


def _ends(raw):
    raw.shutdown(socket.SHUT_RDWR)


def _resets(raw):
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.scenario("socket-leaves")
@pytest.mark.parametrize("order", ["sleep", "flood", "anything"])
@pytest.mark.parametrize(("leave", "code"), [(_closes, 4123), (_ends, 1005), (_resets, 1005)])
def test_leaving_is_noticed_whatever_the_handler_does(server, other, order, leave, code):
    """Also where it waits for something else, or for room to send."""
    name, descriptors = f"{order}{leave.__name__}", server.descriptors()
    with by_hand(server, name) as raw:
        raw.sendall(frame(order.encode()))
        leave(raw)
    line = ended(server, name)

    assert (line["closed_by"], line["close_code"]) == ("client", code)
    until(lambda: server.descriptors() <= descriptors, "the connection is closed")


def test_pings_are_answered_whatever_the_handler_does(server, other):
    with opened(server) as session:
        session.send("sleep")
        for _ in range(3):
            assert session.ping().wait(PATIENCE_S)


def test_a_foreign_page_is_refused(server, other):
    """With a body that says why, although no page can read it."""
    with pytest.raises(InvalidStatus) as refused:
        connect(url(server), origin="https://evil.example", proxy=None)

    assert refused.value.response.status_code == 403
    assert b"cors_origins" in refused.value.response.body


def test_keys_are_neither_echoed_nor_logged(tmp_path):
    with serving(tmp_path, through=THROUGH, SPEECHHUB_API_KEYS=KEY, **ECHO) as server:
        offered = ["realtime", SUBPROTOCOL + KEY]
        with opened(server, subprotocols=offered, origin="https://page.example") as session:
            assert session.subprotocol == "realtime"
            assert KEY not in str(session.response.headers)
        with opened(server, additional_headers={"xi-api-key": KEY}):
            pass
        with connect(url(server), subprotocols=["realtime", SUBPROTOCOL + "wrong-and-secret"]) as session:
            assert close_of(session) == (3000, "invalid_request_error.invalid_api_key")
        until(lambda: len(server.logged("session")) == 3, "all are logged")

        assert [line.get("key") for line in server.logged("session")] == [1, 1, None]
        assert not any(key in server.log_text() for key in (KEY, "wrong-and-secret"))


@pytest.mark.scenario("stop-with-sessions")
def test_the_servers_end_waits_for_what_was_begun(tmp_path):
    """Then each client is told, and gets 1012, before the connections end; no process is left."""
    server = Server(tmp_path, through=THROUGH, **ECHO)
    with opened(server) as first, opened(server) as second, opened(server) as third:
        server.process.send_signal(signal.SIGTERM)
        sessions = (first, second, third)
        assert [session.recv(PATIENCE_S) for session in sessions] == ["finishing"] * 3
        for session in sessions:  # it is still served
            session.send("what was begun")
            assert session.recv(PATIENCE_S) == "what was begun"
            session.send("end")
        ends = [close_of(session) for session in sessions]

    assert ends == [(1012, "server_shutting_down")] * 3
    assert server.process.wait(PATIENCE_S) == 0
    assert not alive(server.pid)
    assert len(server.logged("session")) == 3
    assert server.logged("stopped")


@pytest.mark.scenario("stop-with-sessions")
def test_the_servers_end_does_not_wait_forever(tmp_path):
    server = Server(tmp_path, through=THROUGH, SPEECHHUB_SHUTDOWN_TIMEOUT_S="0.5", **ECHO)
    with opened(server) as session:
        server.process.send_signal(signal.SIGTERM)
        assert close_of(session) == (1012, "server_shutting_down")

    assert server.process.wait(PATIENCE_S) == 0


def test_a_second_signal_waits_for_no_session(tmp_path):
    server = Server(tmp_path, through=THROUGH, SPEECHHUB_SHUTDOWN_TIMEOUT_S="600", **ECHO)
    with opened(server) as session:
        server.process.send_signal(signal.SIGTERM)
        assert session.recv(PATIENCE_S) == "finishing"
        assert server.stop() == 128 + signal.SIGTERM
        assert close_of(session) is None

"""What a few kilobytes of request can make the hub hold: little, and for a while."""

import contextlib
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import echo_env
from tests.e2e.server import serving, until
from tests.fuzz.exchange import connect, exchange, post
from tests.fuzz.leaving import nameless_files

JSON = "application/json"
IDLE_S = 1.0
ESTABLISHED = ("01", "08")
"""States of connections in /proc/net/tcp: open, and left by the client."""
END = b"\r\n0\r\n\r\n"
FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that waits for a client that reads nothing for a second."""
    env = echo_env() | {"SPEECHHUB_ANSWER_IDLE_TIMEOUT_S": str(IDLE_S)}
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        yield made


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A server with its own limits."""
    with serving(tmp_path_factory.mktemp("home"), **echo_env()) as made:
        yield made


def held_mb(server):
    """Return the memory that the hub holds, in MB."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096 / 1e6


def spools(server):
    """Return how many temporary files of requests are open."""
    # A test without output leaves what pytest catches it in empty; a spool has something from its start.
    return sum(size > 0 for size in nameless_files(server))


def connections(server):
    """Return how many connections the server has, by the kernel's word."""
    port = f":{int(server.url.rsplit(':', 1)[1]):04X}"
    rows = [line.split() for line in Path(f"/proc/{server.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] in ESTABLISHED and row[9] != "0" for row in rows)


def long_speech(pauses=200):
    """Return a request for much audio: 17 minutes of pauses, 48 MB."""
    body = {"model": "echo-tts", "input": "Hm. " * pauses, "silence_interval_ms": 5000}
    return post("/v1/audio/speech", JSON, json.dumps(body | {"response_format": "pcm"}).encode())


def ask_without_reading(server, request):
    connection = connect(server.url, receive_bytes=65_536)
    connection.sendall(request)
    return connection


def rest(connection):
    """Return what is left to read, up to the end of the answer or of the connection."""
    heard = bytearray()
    while data := connection.recv(1_000_000):
        heard += data
        if heard.endswith(END):
            break
    return bytes(heard)


@pytest.mark.scenario("unread-answer")
def test_a_client_that_does_not_read_is_cut_off(server):
    """Its connection and its file are gone, although it never reads and never leaves."""
    exchange(server.url, long_speech(1))  # the engine's process has a socket, too
    until(lambda: not connections(server), "the first connection is closed")
    descriptors = server.descriptors()
    with ask_without_reading(server, long_speech()) as connection:
        until(lambda: spools(server), "the speech waits in a file")
        until(lambda: server.logged("client does not read its answer, and is cut off"), "it is cut off")

        until(lambda: not connections(server), "the connection is closed")
        until(lambda: server.descriptors() <= descriptors, "the file is closed")
        with contextlib.suppress(ConnectionError):
            assert not rest(connection).endswith(END), "half an answer must not look whole"

    def broken_off():
        return [line for line in server.logged("request") if line.get("error") == "AnswerUnreadError"]

    [line] = until(broken_off, "the end is logged")
    assert line["broken_off"]


@pytest.mark.scenario("slow-reader-file")
def test_a_player_that_reads_now_and_then_hears_everything(server):
    """Pauses that are shorter than the limit break nothing, however far the server is ahead."""
    with ask_without_reading(server, long_speech(40)) as connection:
        until(lambda: spools(server) or server.logged("request"), "the server is ahead")
        heard = rest(connection)
    assert len(heard) > 39 * 5 * 48_000


def test_unread_speech_costs_little_memory(patient):
    """Eight answers of 48 MB wait on disk; the hub grows by a few MB for each, and gives the files back."""
    before = held_mb(patient)
    connections = [ask_without_reading(patient, long_speech()) for _ in range(8)]
    until(lambda: spools(patient) == 8, "all of it waits in files", 60)
    until(lambda: 'speechhub_engine_busy{model="echo-tts"} 0.0' in metrics(patient), "all is spoken", 120)

    assert held_mb(patient) - before < 100
    for connection in connections:
        connection.close()
    until(lambda: not spools(patient), "the files are gone")
    until(lambda: 'speechhub_held_bytes{place="disk"} 0.0' in metrics(patient), "nothing is held")


def metrics(server):
    with connect(server.url) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return rest(connection).decode()


def test_large_bodies_for_small_routes_are_refused_at_once(patient):
    """Twenty times 49 MB for a route that reads a name: each is refused by its head."""
    before = held_mb(patient)
    connections = []
    for _ in range(20):
        connections.append(connect(patient.url))
        connections[-1].sendall(post("/v1/engines/load", JSON, b'{"model": "', length=49_000_000))

    for connection in connections:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
        connection.close()
    assert held_mb(patient) - before < 50


def test_unfinished_uploads_wait_on_disk(patient):
    """Forty uploads of 4 MB that never end are files, and are gone with their clients."""
    before = held_mb(patient)
    connections = []
    for _ in range(40):
        connections.append(connect(patient.url))
        connections[-1].sendall(
            post("/v1/audio/transcriptions", FORM, PART + bytes(4_000_000), length=9_000_000)
        )
    until(lambda: spools(patient) == 40, "each has a file")

    assert held_mb(patient) - before < 100
    for connection in connections:
        connection.close()
    until(lambda: not spools(patient), "the files are gone")
    until(lambda: 'speechhub_held_bytes{place="memory"} 0.0' in metrics(patient), "nothing is held")

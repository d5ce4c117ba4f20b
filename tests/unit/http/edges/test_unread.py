"""Bodies that are refused before they are read."""

import asyncio

import pytest

from speechhub.http.edges.unread import (
    BEGIN_S,
    LIMIT_BYTES,
    LIMIT_S,
    LINE_BYTES_PER_S,
    PATIENCE_S,
    Lingerers,
    unread_thrown_away,
)
from tests.fakes.virtual_time import VirtualTimeLoop

ANSWER = b'{"error":{}}'
UPLOAD = [(b"transfer-encoding", b"chunked")]


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def piece(data, *, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


def piece_of_answer(data, *, more):
    return {"type": "http.response.body", "body": data, "more_body": more}


class Connection:
    """A client that writes a piece after each pause, and then no more."""

    def __init__(self, pieces, pause_s=0.0):
        self.sent = []
        self.read = 0
        self._pieces = iter(pieces)
        self._pause_s = pause_s

    async def receive(self):
        message = next(self._pieces, None)
        await (asyncio.sleep(self._pause_s) if message else asyncio.Event().wait())
        self.read += 1
        return message

    async def send(self, message):
        self.sent.append((asyncio.get_running_loop().time(), message))

    @property
    def closes(self):
        """Whether the client was told that the connection ends."""
        return (b"connection", b"close") in self.sent[0][1]["headers"]

    @property
    def answered_s(self):
        """When the whole answer had gone out."""
        assert self.sent[-1][1]["more_body"] is False
        return self.sent[-1][0]

    @property
    def body(self):
        return b"".join(message["body"] for _, message in self.sent[1:])


async def answered(connection, *, headers=UPLOAD, version="1.1", reads=0, lingerers=None, answer=ANSWER):
    """Ask an application that answers once it has read so many pieces."""

    async def app(scope, receive, send):
        for _ in range(reads):
            await receive()
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    scope = {"type": "http", "http_version": version, "headers": headers}
    began_s = asyncio.get_running_loop().time()
    await unread_thrown_away(app, lingerers)(scope, connection.receive, connection.send)
    connection.sent = [(at_s - began_s, message) for at_s, message in connection.sent]
    return connection


@pytest.mark.scenario("refused-while-sending")
@pytest.mark.parametrize("headers", [UPLOAD, [(b"content-length", b"3000")]])
async def test_the_rest_of_a_refused_body_is_thrown_away(headers):
    """The answer comes once the client has written all, and the connection can go on."""
    pieces = [piece(b"x" * 1000)] * 2 + [piece(b"x" * 1000, more=False)]

    connection = await answered(Connection(pieces, BEGIN_S / 2), headers=headers)

    assert not connection.closes
    assert (connection.read, connection.body) == (3, ANSWER)
    assert connection.answered_s == pytest.approx(BEGIN_S * 1.5)


async def test_a_client_that_pauses_is_not_waited_for():
    """One that waits for the answer before it writes on gets it soon, and hears that the connection ends."""
    connection = await answered(Connection([]))

    (first_s, start), (_, beginning), (last_s, _) = connection.sent
    assert connection.closes
    assert (start["status"], beginning["body"], connection.body) == (401, ANSWER[:-1], ANSWER)
    assert (first_s, last_s) == (pytest.approx(BEGIN_S), pytest.approx(BEGIN_S + PATIENCE_S))


async def test_a_client_that_waited_for_the_answer_can_write_the_rest():
    """The connection ends once it has, and not before."""
    pieces = [piece(b"x"), *[piece(b"x")] * 10, piece(b"", more=False)]

    class Waiting(Connection):
        """A client that waits for the beginning of the answer once it has written a piece."""

        begun = asyncio.Event()

        async def receive(self):
            if self.read == 1:
                await self.begun.wait()
            return await super().receive()

        async def send(self, message):
            await super().send(message)
            self.begun.set()

    connection = await answered(Waiting(pieces, BEGIN_S / 10))

    assert (connection.read, connection.body, connection.closes) == (12, ANSWER, True)
    assert connection.answered_s == pytest.approx(BEGIN_S * 2.2, abs=0.1)


@pytest.mark.parametrize("answer", [b"", b"x"])
async def test_an_empty_answer_waits_whole(answer):
    """Its head alone would be the whole of it, and clients that hear it stop to write."""
    connection = await answered(Connection([]), answer=answer)

    assert [at_s for at_s, _ in connection.sent] == [pytest.approx(BEGIN_S + PATIENCE_S)] * 2
    assert (connection.closes, connection.body) == (True, answer)


async def test_the_application_does_not_wait():
    """What it holds, such as a place among its caller's requests, is free while the rest is thrown away."""
    over = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send(piece_of_answer(ANSWER, more=False))
        over.append(asyncio.get_running_loop().time() - began_s)

    connection, began_s = Connection([piece(b"x")], BEGIN_S / 2), asyncio.get_running_loop().time()
    scope = {"type": "http", "http_version": "1.1", "headers": UPLOAD}
    await unread_thrown_away(app)(scope, connection.receive, connection.send)

    assert over == [0]
    assert connection.sent[0][0] - began_s == pytest.approx(BEGIN_S * 1.5)


async def test_an_answer_in_pieces_is_not_held_back():
    """It is no refusal, and may be long: it flows at once, and ends the connection."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, True, False):
            await send(piece_of_answer(b"x", more=more))

    connection = Connection([piece(b"x")])
    scope = {"type": "http", "http_version": "1.1", "headers": UPLOAD}
    await unread_thrown_away(app)(scope, connection.receive, connection.send)

    assert (connection.read, connection.body, connection.closes) == (0, b"xxx", True)


async def test_a_client_that_goes_on_and_on_is_cut_off():
    """Neither many bytes nor a few at a time keep the connection."""
    flood = await answered(Connection([piece(bytes(1024 * 1024))] * 200))
    drip = await answered(Connection([piece(b"x")] * 200, BEGIN_S / 2))

    assert (flood.closes, drip.closes) == (True, True)
    assert flood.read == LIMIT_BYTES // (1024 * 1024)
    assert drip.answered_s == pytest.approx(LIMIT_S, abs=0.01)


async def test_a_steady_line_gets_the_time_that_it_needs():
    """20 MB over 4 Mbit/s take 40 s, and the answer is heard; at a tenth of that it is not."""
    steady = [piece(bytes(LINE_BYTES_PER_S // 2))] * 80 + [piece(b"", more=False)]
    slow = [piece(bytes(LINE_BYTES_PER_S // 20))] * 800

    heard = await answered(Connection(steady, 0.5))
    cut = await answered(Connection(slow, 0.5))

    assert (heard.read, heard.answered_s) == (81, pytest.approx(40.5))
    assert LIMIT_S <= cut.answered_s < LIMIT_S * 1.2


@pytest.mark.scenario("endless-refused-uploads")
async def test_the_first_of_too_many_gives_way():
    """As many as are allowed linger; a further one has its turn, and the one that began first ends."""
    lingerers = Lingerers(at_once=2)
    connections = [Connection([piece(b"x")] * 200, BEGIN_S / 2) for _ in range(4)]

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(answered(connection, lingerers=lingerers))
            await asyncio.sleep(1)
            assert len(lingerers) <= 2

    assert [connection.answered_s for connection in connections] == [
        *(pytest.approx(2, abs=0.01), pytest.approx(2, abs=0.01)),
        *(pytest.approx(LIMIT_S, abs=0.01), pytest.approx(LIMIT_S, abs=0.01)),
    ]
    assert not len(lingerers)


async def test_all_bodies_together_have_one_pace():
    """A second's worth goes at once; what is beyond waits, and is thrown away none the less."""
    lingerers = Lingerers(bytes_per_s=1_000_000)
    body = [piece(bytes(500_000))] * 4 + [piece(b"", more=False)]
    connections = [Connection(body) for _ in range(2)]

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(answered(connection, lingerers=lingerers))

    assert [(connection.read, connection.body) for connection in connections] == [(5, ANSWER)] * 2
    assert max(connection.answered_s for connection in connections) == pytest.approx(3, abs=0.01)


async def test_a_client_that_left_is_not_waited_for():
    """There is no one left to write."""
    connection = await answered(Connection([piece(b"x"), {"type": "http.disconnect"}]))

    assert (connection.read, connection.answered_s) == (2, pytest.approx(0, abs=1e-6))


async def test_a_body_that_waits_to_be_asked_for_is_not_asked_for():
    """A client that expects to be told to go on has written nothing, and will not."""
    headers = [*UPLOAD, (b"expect", b"100-Continue")]

    connection = await answered(Connection([piece(b"x")]), headers=headers)

    assert connection.closes
    assert (connection.read, connection.body, connection.answered_s) == (0, ANSWER, 0)


@pytest.mark.parametrize(
    ("headers", "reads"),
    [([], 0), ([(b"content-length", b"0")], 0), (UPLOAD, 2)],
)
async def test_a_connection_without_leftovers_stays(headers, reads):
    """Without a body, or with one that was read, the answer passes as it is."""
    connection = Connection([piece(b"x"), piece(b"", more=False)])

    await answered(connection, headers=headers, reads=reads)

    assert not connection.closes
    assert (connection.read, len(connection.sent), connection.answered_s) == (reads, 2, 0)


async def test_http_2_ends_no_connection():
    """There a refused body concerns one stream, and the header is forbidden."""
    connection = await answered(Connection([]), version="2")

    assert not connection.closes
    assert connection.body == ANSWER

"""Bodies that are refused before they are read."""

import asyncio

import pytest

from speechhub.http.unread import LIMIT_BYTES, LIMIT_S, PATIENCE_S, unread_thrown_away
from tests.fakes.virtual_time import VirtualTimeLoop

ANSWER = b'{"error":{}}'
UPLOAD = [(b"transfer-encoding", b"chunked")]


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def piece(data, *, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


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
    def body(self):
        return b"".join(message["body"] for _, message in self.sent[1:])

    @property
    def first_s(self):
        """When the answer began."""
        return self.sent[0][0]

    @property
    def ended_s(self):
        """How long after its beginning the answer ended."""
        assert [message["more_body"] for _, message in self.sent[1:]][-1] is False
        return self.sent[-1][0] - self.first_s


async def answered(connection, *, headers=UPLOAD, version="1.1", reads=0):
    """Ask an application that answers once it has read so many pieces."""

    async def app(scope, receive, send):
        for _ in range(reads):
            await receive()
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": ANSWER, "more_body": False})

    scope = {"type": "http", "http_version": version, "headers": headers}
    await unread_thrown_away(app)(scope, connection.receive, connection.send)
    return connection


@pytest.mark.parametrize("headers", [UPLOAD, [(b"content-length", b"3000")]])
async def test_the_rest_of_a_refused_body_is_thrown_away(headers):
    """The client is told that the connection ends, and it ends once the client has written all."""
    pieces = [piece(b"x" * 1000)] * 2 + [piece(b"x" * 1000, more=False)]

    connection = await answered(Connection(pieces, PATIENCE_S / 2), headers=headers)

    assert connection.closes
    assert (connection.read, connection.body) == (3, ANSWER)
    assert connection.ended_s == pytest.approx(PATIENCE_S * 1.5)


async def test_a_client_that_pauses_is_not_waited_for():
    """One that waits for the whole answer before it writes on gets it soon."""
    connection = await answered(Connection([]))

    assert connection.body == ANSWER
    assert connection.ended_s == pytest.approx(PATIENCE_S)


async def test_the_answer_itself_does_not_wait():
    """All but the last byte goes out at once, so that a client may stop to write."""
    connection = await answered(Connection([]))

    (_, start), (at, body), _ = connection.sent
    assert start["status"] == 401
    assert (at - connection.first_s, body["body"]) == (0, ANSWER[:-1])


async def test_a_client_that_goes_on_and_on_is_cut_off():
    """Neither many bytes nor a few at a time keep the connection."""
    flood = await answered(Connection([piece(bytes(1024 * 1024))] * 200))
    drip = await answered(Connection([piece(b"x")] * 200, PATIENCE_S / 2))

    assert flood.read == LIMIT_BYTES // (1024 * 1024)
    assert drip.ended_s == pytest.approx(LIMIT_S)


async def test_a_client_that_left_is_not_waited_for():
    """There is no one left to write."""
    connection = await answered(Connection([piece(b"x"), {"type": "http.disconnect"}]))

    assert (connection.read, connection.ended_s) == (2, 0)


async def test_a_body_that_waits_to_be_asked_for_is_not_asked_for():
    """A client that expects to be told to go on has written nothing, and will not."""
    headers = [*UPLOAD, (b"expect", b"100-Continue")]

    connection = await answered(Connection([piece(b"x")]), headers=headers)

    assert connection.closes
    assert (connection.read, connection.body, connection.ended_s) == (0, ANSWER, 0)


@pytest.mark.parametrize(
    ("headers", "reads"),
    [([], 0), ([(b"content-length", b"0")], 0), (UPLOAD, 2)],
)
async def test_a_connection_without_leftovers_stays(headers, reads):
    """Without a body, or with one that was read, the answer passes as it is."""
    connection = Connection([piece(b"x"), piece(b"", more=False)])

    await answered(connection, headers=headers, reads=reads)

    assert not connection.closes
    assert (connection.read, len(connection.sent), connection.ended_s) == (reads, 2, 0)


async def test_http_2_ends_no_connection():
    """There a refused body concerns one stream, and the header is forbidden."""
    connection = await answered(Connection([]), version="2")

    assert not connection.closes
    assert connection.body == ANSWER

"""One WebSocket: its reader, its writer, and how it ends."""

import asyncio

import pytest

from speechhub.http.sockets.socket import FLUSH_S, LINGER_S, Socket, SocketLimits
from tests.fakes.sockets import Client, scope_of
from tests.fakes.virtual_time import VirtualTimeLoop

SMALL = SocketLimits(unread_bytes=1000, queued_messages=4, queued_bytes=10_000, stall_s=30)


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture
async def client():
    return Client(patience_s=None)


@pytest.fixture
async def socket(client):
    await client.connect()
    socket = Socket(scope_of("/v1/echo"), client.take, client.put, SMALL)
    await socket.accept("realtime")
    await client.accepted()
    yield socket
    await socket.aclose()


def now():
    return asyncio.get_running_loop().time()


async def settle():
    """Let everything happen that needs no time."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_messages_pass_both_ways(socket, client):
    """Text stays text, bytes stay bytes, and an empty message is one."""
    for data in ("text", b"bytes", ""):
        await client.send(data)
        await socket.send(data)

    assert [await socket.receive() for _ in range(3)] == ["text", b"bytes", ""]
    assert [await client.receive() for _ in range(3)] == ["text", b"bytes", ""]
    assert client.subprotocol == "realtime"


async def test_leaving_is_noticed_while_the_handler_does_something_else(socket, client):
    """What was not taken before is forgotten: it would be work for a client that is gone."""
    await client.send("unread")
    await client.leave(4321)
    await socket.gone.wait()

    assert await socket.receive() is None
    assert (socket.close_code, socket.closed_by) == (4321, "client")
    await socket.send("into the void")
    await socket.close(1000)
    assert client.queued == 0


async def test_leaving_ends_a_wait_for_a_message(socket, client):
    waiting = asyncio.create_task(socket.receive())
    await settle()
    await client.leave(None)

    assert await waiting is None
    assert socket.close_code == 1005


async def test_a_burst_of_messages_lets_others_in(socket, client):
    """A handler that needs no time for a message does not keep the event loop to itself."""
    turns = []

    async def other():
        for _ in range(5):
            turns.append(len(taken))
            await asyncio.sleep(0)

    taken = []
    for number in range(5):
        await client.send(str(number))
    await settle()
    others = asyncio.create_task(other())
    while len(taken) < 5:
        taken.append(await socket.receive())
    await others

    assert turns == [0, 1, 2, 3, 4]


async def test_a_handler_that_does_not_take_messages_holds_the_client_back(socket, client):
    """No more is received than the bound and one message."""
    for _ in range(10):
        await client.send("x" * 600)
    await settle()
    held = client.taken

    assert held == 2
    assert await socket.receive() == "x" * 600
    await settle()
    assert client.taken == held + 1
    assert [await socket.receive() for _ in range(9)] == ["x" * 600] * 9


@pytest.mark.parametrize(("data", "fit"), [("x", 4), (bytes(4000), 2)])
async def test_a_sender_waits_while_the_client_does_not_read(socket, client, data, fit):
    """By number or by size, whatever is reached first; one more is going out."""
    client.reading.clear()
    sent = []

    async def produce():
        for number in range(20):
            await socket.send(data)
            sent.append(number)

    producing = asyncio.create_task(produce())
    await settle()

    assert len(sent) == fit + 1
    client.reading.set()
    await producing
    assert [await client.receive() for _ in range(20)] == [data] * 20


async def test_a_message_larger_than_the_queue_goes_out_alone(socket, client):
    await socket.send(bytes(50_000))

    assert await client.receive() == bytes(50_000)


async def test_senders_keep_their_order(socket, client):
    """Those that wait are served in the order in which they called."""
    client.reading.clear()
    senders = []
    for number in range(12):
        senders.append(asyncio.create_task(socket.send(str(number))))
        await settle()
    client.reading.set()
    await asyncio.gather(*senders)

    assert [await client.receive() for _ in range(12)] == [str(number) for number in range(12)]


async def test_forgotten_sound_is_not_sent(socket, client):
    """Neither what is queued nor what waits to be; what is not sound is sent in its order."""
    client.reading.clear()
    await socket.send("going out")
    await settle()
    await socket.send("text 1")
    await socket.send(b"sound 1", tag="sound")
    await socket.send(b"sound 2", tag="sound")
    await socket.send("text 2")
    waiting = [
        asyncio.create_task(socket.send(b"sound 3", tag="sound")),
        asyncio.create_task(socket.send("text 3")),
    ]
    await settle()
    assert not any(it.done() for it in waiting)

    assert socket.forget("sound") == 2
    await asyncio.gather(*waiting)
    await socket.send(b"sound 4", tag="sound")
    client.reading.set()

    heard = [await client.receive() for _ in range(5)]
    assert heard == ["going out", "text 1", "text 2", "text 3", b"sound 4"]
    assert client.queued == 0


async def test_a_client_that_reads_nothing_is_noticed(socket, client):
    """Only after its time; the clock begins with each message that goes out."""
    client.reading.clear()
    began = now()
    await socket.send("x")
    await socket.stalled.wait()

    assert now() - began == pytest.approx(30)


async def test_a_stalled_connection_is_cut_off_and_frees_its_senders(socket, client):
    client.reading.clear()
    senders = [asyncio.create_task(socket.send(bytes(4000))) for _ in range(5)]
    await socket.stalled.wait()

    await socket.cut_off(1008, "slow_consumer")

    await asyncio.gather(*senders)
    closed, before = await client.closed()
    assert (closed.code, closed.reason, before) == (1008, "slow_consumer", [])
    assert (socket.close_code, socket.closed_by) == (1008, "server")


async def test_a_close_waits_for_what_is_queued(socket, client):
    for number in range(3):
        await socket.send(str(number))
    await socket.close(4001, "é" * 100)
    closed, before = await client.closed()

    assert before == ["0", "1", "2"]
    assert closed.code == 4001
    assert closed.reason == "é" * 61  # what fits in a close frame
    assert await socket.receive() is None


async def test_a_close_does_not_wait_forever(socket, client):
    client.reading.clear()
    await socket.send("x")
    began = now()
    await socket.close(1001)

    assert now() - began == pytest.approx(FLUSH_S)
    closed, before = await client.closed()
    assert (closed.code, before) == (1001, [])


async def test_a_refusal_leaves_time_to_read_why(socket, client):
    """What a client sends meanwhile meets an open connection, not a reset at which it forgets the message."""
    await socket.send("why")
    closing = asyncio.create_task(socket.close(3000))
    await asyncio.sleep(LINGER_S / 2)
    await client.send("still sending")
    closed, before = await client.closed()
    await closing

    assert (closed.code, before) == (3000, ["why"])
    assert now() == pytest.approx(LINGER_S)
    assert client.taken == 1


@pytest.mark.parametrize("code", [1000, 1001])
async def test_an_ordinary_end_comes_at_once(socket, client, code):
    await socket.close(code)
    closed, _ = await client.closed()

    assert closed.code == code
    assert now() == 0


async def test_only_the_first_close_counts(socket, client):
    await asyncio.gather(socket.close(1001), socket.close(1002))
    await socket.close(1003)

    closed, _ = await client.closed()
    assert closed.code == socket.close_code == 1001
    assert client.queued == 0


async def test_what_comes_after_the_close_is_discarded(socket, client):
    """A client that talks on does not fill the memory."""
    client.answers_close = False
    closing = asyncio.create_task(socket.close(1001))
    await settle()
    for _ in range(100):
        await client.send("x" * 600)
    await closing

    assert client.taken == 100
    assert await socket.receive() is None


async def test_a_reader_that_breaks_counts_as_leaving():
    """Whatever the server below raises, no handler waits forever."""

    async def receive():
        if not first:
            raise RuntimeError("connection is broken")
        return first.pop()

    async def send(message):
        pass

    first = [{"type": "websocket.connect"}]
    socket = Socket(scope_of("/v1/echo"), receive, send)
    await socket.accept()

    assert await socket.receive() is None
    await socket.aclose()


async def test_a_client_that_left_before_the_handshake():
    client = Client(patience_s=None)
    await client.leave(1006)
    socket = Socket(scope_of("/v1/echo"), client.take, client.put)
    await socket.accept()

    assert await socket.receive() is None
    assert client.queued == 0


async def test_nothing_is_left_running(client):
    before = len(asyncio.all_tasks())
    await client.connect()
    socket = Socket(scope_of("/v1/echo"), client.take, client.put)
    await socket.accept()
    await socket.aclose()
    await socket.aclose()

    assert len(asyncio.all_tasks()) == before

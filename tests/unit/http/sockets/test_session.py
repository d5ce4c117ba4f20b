"""A session's limits and its end, on a clock that jumps."""

import asyncio
from types import SimpleNamespace

import pytest
from litestar import WebSocket

from speechhub.errors import RateLimitedError
from speechhub.http.context import KEY, RequestContext
from speechhub.http.sockets.open_sessions import SESSIONS, OpenSessions, SessionLimits
from speechhub.http.sockets.session import FAREWELL_S, GRACE_S, KEY_S, in_session
from speechhub.http.sockets.socket import LINGER_S, SocketLimits
from tests.fakes.sockets import Client, scope_of
from tests.fakes.virtual_time import VirtualTimeLoop

LIMITS = SessionLimits(at_a_time=2, idle_s=300, longest_s=3600, finish_s=15)


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def now():
    return asyncio.get_running_loop().time()


class Talk:
    """A conversation that repeats what it hears, and can be told to misbehave."""

    def __init__(self, **ways):
        self.ways = ways
        self.reasons = []
        self.freed_at = None

    def begin(self, socket, context):
        self.socket, self.context = socket, context
        if self.ways.get("begin"):
            raise self.ways["begin"]
        return self

    async def serve(self):
        try:
            while (message := await self.socket.receive()) is not None:
                if message == "key":
                    await self.socket.send(str(self.context.admit(b"key")))
                elif message == "stuck":
                    await asyncio.Event().wait()
                elif message == "bug":
                    raise ZeroDivisionError
                elif message == "over":
                    return
                elif message == "loud":
                    while True:
                        await self.socket.send(bytes(1000))
                else:
                    await self.socket.send(message)
        finally:
            self.freed_at = now()

    async def finish(self):
        await asyncio.sleep(self.ways.get("finish_s", 0))
        if self.ways.get("finish"):
            raise self.ways["finish"]
        await self.socket.send("finished")

    async def farewell(self, reason):
        self.reasons.append(reason.code)
        await asyncio.sleep(self.ways.get("farewell_s", 0))
        if self.ways.get("farewell"):
            raise self.ways["farewell"]
        await self.socket.send(f"farewell {reason.code}")


class Line:
    """A client's connection and the session at its other end."""

    def __init__(self, sessions, talk, *, trusted=True, refusal=None, limits=None):
        self.client = Client(patience_s=None)
        self.context = RequestContext(request_id="req_1", path="/v1/talk", trusted=trusted, refusal=refusal)
        self.context.admit = self._admit
        scope = scope_of("/v1/talk", subprotocols=("openai-insecure-api-key.KEY", "realtime")) | {
            "path_template": "/v1/talk",
            "litestar_app": SimpleNamespace(state={SESSIONS: sessions}),
            "state": {KEY: self.context},
        }
        websocket = WebSocket(scope, self.client.take, self.client.put)
        work = in_session(websocket, talk.begin, subprotocols=("realtime",), limits=limits)
        self.task = asyncio.create_task(work)

    def _admit(self, key):
        self.context.trusted = True
        return True

    async def open(self):
        await self.client.connect()
        await self.client.accepted()
        return self.client


async def test_a_client_that_leaves_is_forgotten_at_once():
    sessions, talk = OpenSessions(LIMITS), Talk()
    line = Line(sessions, talk)
    client = await line.open()
    await client.send("a")
    assert await client.receive() == "a"
    assert len(sessions) == 1
    assert client.subprotocol == "realtime"
    await client.leave()
    await line.task

    assert (len(sessions), talk.freed_at, talk.reasons) == (0, 0, [])


async def test_a_conversation_that_is_stuck_is_cancelled_when_its_client_leaves():
    talk = Talk()
    line = Line(OpenSessions(LIMITS), talk)
    client = await line.open()
    await client.send("stuck")
    await asyncio.sleep(1)
    await client.leave()
    await line.task

    assert talk.freed_at == pytest.approx(1 + GRACE_S)


async def test_a_conversation_that_is_over_closes_with_1000():
    line = Line(OpenSessions(LIMITS), Talk())
    client = await line.open()
    await client.send("over")
    closed, before = await client.closed()
    await line.task

    assert (closed.code, before) == (1000, [])


@pytest.mark.scenario("socket-idle")
async def test_a_session_is_idle_when_neither_side_sends():
    line = Line(OpenSessions(LIMITS), Talk())
    client = await line.open()
    await asyncio.sleep(200)
    await client.send("a")
    closed, before = await client.closed()

    assert now() == pytest.approx(500)
    assert (closed.code, closed.reason, before) == (1001, "session_idle", ["a", "farewell session_idle"])
    await line.task
    assert line.context.log == {"ended": "session_idle"}


@pytest.mark.scenario("socket-idle")
async def test_a_session_has_a_longest_duration():
    line = Line(OpenSessions(LIMITS), Talk())
    client = await line.open()

    async def chatter():
        while True:
            await client.send("a")
            await asyncio.sleep(100)

    chattering = asyncio.create_task(chatter())
    closed, before = await client.closed()
    chattering.cancel()

    assert now() == pytest.approx(3600)
    assert (closed.code, closed.reason, before[-1]) == (1001, "session_expired", "farewell session_expired")
    await line.task


@pytest.mark.parametrize("where", ["serve", "begin"])
async def test_a_bug_closes_with_1011_and_is_logged_once(where, capsys):
    sessions = OpenSessions(LIMITS)
    line = Line(sessions, Talk(begin=ZeroDivisionError()) if where == "begin" else Talk())
    client = await line.open()
    await client.send("bug")
    closed, before = await client.closed()
    await line.task

    assert (closed.code, closed.reason) == (1011, "server_error")
    assert before == (["farewell server_error"] if where == "serve" else [])
    assert line.context.error == "ZeroDivisionError"
    assert capsys.readouterr().out.count("unexpected error") == 1
    assert len(sessions) == 0


async def test_a_bug_in_the_last_words_does_not_keep_the_socket_open(capsys):
    line = Line(OpenSessions(LIMITS), Talk(farewell=KeyError()))
    client = await line.open()
    closed, _ = await client.closed()
    await line.task

    assert closed.code == 1001
    assert "KeyError" in capsys.readouterr().out


async def test_last_words_take_no_longer_than_they_may():
    line = Line(OpenSessions(LIMITS), Talk(farewell_s=1000))
    client = await line.open()
    closed, before = await client.closed()
    await line.task

    assert (closed.code, before) == (1001, [])
    assert now() == pytest.approx(300 + FAREWELL_S)


async def test_a_client_that_does_not_read_is_cut_off():
    talk = Talk()
    limits = SocketLimits(queued_messages=3, stall_s=30)
    line = Line(OpenSessions(LIMITS), talk, limits=limits)
    client = await line.open()
    client.reading.clear()
    await client.send("loud")
    closed, before = await client.closed()
    await line.task

    assert (closed.code, closed.reason, before) == (1008, "slow_consumer", [])
    assert talk.reasons == []
    assert line.context.log["ended"] == "slow_consumer"


async def test_there_is_room_for_so_many_sessions():
    """A further one learns it in its protocol's words; a place is free again once a client leaves."""
    sessions = OpenSessions(LIMITS)
    first, second, third = (Line(sessions, Talk()) for _ in range(3))
    clients = [await line.open() for line in (first, second, third)]
    closed, before = await clients[2].closed()
    await third.task

    assert (closed.code, closed.reason) == (1013, "rate_limit_exceeded")
    assert before == ["farewell rate_limit_exceeded"]
    assert len(sessions) == 2
    await clients[0].leave()
    await first.task
    again = await Line(sessions, Talk()).open()
    await again.send("a")
    assert await again.receive() == "a"


async def test_a_caller_with_too_many_requests_learns_it():
    sessions = OpenSessions(LIMITS)
    client = await Line(sessions, Talk(), refusal=RateLimitedError("Too many.")).open()
    closed, _ = await client.closed()

    assert closed.code == 1013
    assert len(sessions) == 0


async def test_strangers_take_no_places_of_those_with_a_key():
    """They have places of their own, and little time."""
    sessions = OpenSessions(LIMITS)
    strangers = [await Line(sessions, Talk(), trusted=False).open() for _ in range(3)]
    closed, _ = await strangers[2].closed()
    friend = await Line(sessions, Talk()).open()
    await friend.send("a")

    assert closed.code == 1013
    assert await friend.receive() == "a"
    closed, before = await strangers[0].closed()
    assert now() == pytest.approx(KEY_S + LINGER_S)
    assert (closed.code, before) == (3000, ["farewell invalid_api_key"])


async def test_a_key_in_a_message_admits_a_stranger():
    line = Line(OpenSessions(LIMITS), Talk(), trusted=False)
    client = await line.open()
    await client.send("key")
    assert await client.receive() == "True"
    await asyncio.sleep(3 * KEY_S)
    await client.send("a")

    assert await client.receive() == "a"
    await client.leave()
    await line.task


async def test_a_key_in_a_message_finds_no_room_either():
    sessions = OpenSessions(LIMITS)
    stranger = await Line(sessions, Talk(), trusted=False).open()
    for _ in range(2):
        await Line(sessions, Talk()).open()
    await stranger.send("key")
    closed, before = await stranger.closed()

    assert (closed.code, before) == (1013, ["farewell rate_limit_exceeded"])


async def test_the_servers_end_waits_for_what_was_begun():
    """Each session answers it, says why it ends, and is closed with 1012; new ones are told at once."""
    sessions = OpenSessions(LIMITS)
    lines = [Line(sessions, Talk(finish_s=finish_s)) for finish_s in (0, 5)]
    clients = [await line.open() for line in lines]
    ending = asyncio.create_task(sessions.end())
    ends = [await client.closed() for client in clients]
    await ending

    for closed, before in ends:
        assert (closed.code, closed.reason) == (1012, "server_shutting_down")
        assert before == ["finished", "farewell server_shutting_down"]
    assert now() == pytest.approx(5 + LINGER_S)
    assert len(sessions) == 0
    late = await Line(sessions, Talk()).open()
    closed, before = await late.closed()
    assert (closed.code, before) == (1012, ["farewell server_shutting_down"])


@pytest.mark.parametrize("ways", [{"finish_s": 1000}, {"finish": ZeroDivisionError()}])
async def test_the_servers_end_does_not_wait_forever(ways):
    sessions = OpenSessions(LIMITS)
    client = await Line(sessions, Talk(**ways)).open()
    ending = asyncio.create_task(sessions.end())
    closed, before = await client.closed()
    await ending

    assert (closed.code, before) == (1012, ["farewell server_shutting_down"])
    assert now() <= 15 + LINGER_S


async def test_a_stalled_client_does_not_hold_up_the_servers_end():
    sessions = OpenSessions(LIMITS)
    client = await Line(sessions, Talk(), limits=SocketLimits(queued_messages=1)).open()
    client.reading.clear()
    await client.send("loud")
    await sessions.end()

    assert len(sessions) == 0
    assert now() <= 30


async def test_without_sessions_the_end_is_at_once():
    await OpenSessions(LIMITS).end()

    assert now() == 0

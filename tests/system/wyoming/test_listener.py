"""The port: which clients get in, which errors they get over a real socket, and its end."""

import asyncio
import contextlib
import json
import socket
import struct
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs
from wyoming.event import Event

from speechhub.errors import ConfigurationError
from speechhub.metrics import Metrics
from speechhub.server.process import _accept
from speechhub.services.account import Account
from speechhub.services.callers import Callers
from speechhub.settings import Settings
from speechhub.settings.listening import free_address
from speechhub.wyoming import listener as module
from speechhub.wyoming.listener import MAX_CONNECTIONS, WyomingListener
from tests.fakes.wyoming import FakeSpeech, FakeUtterance, chunk, event

WHOLE = event("synthesize", {"text": "Good morning."})
SHUTTING_DOWN = "server_shutting_down"


@pytest.fixture
def anyio_backend():
    """The event loop that the server runs on."""
    return "asyncio", {"use_uvloop": True}


class Client:
    """One end of a connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def at(cls, host, port):
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, sent):
        """Send bytes; return type and data of the next event, or None at the end."""
        self.writer.write(sent)
        return await self.next()

    async def next(self):
        if not (line := await self.reader.readline()):
            return None
        head = json.loads(line)
        data = json.loads(await self.reader.readexactly(head.get("data_length", 0)) or b"{}")
        await self.reader.readexactly(head.get("payload_length", 0))
        return head["type"], data

    def leave(self, *, rudely=False):
        if rudely:
            option = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self.writer.close()


class Served:
    """A listener on work that is made up."""

    def __init__(self, monkeypatch, *, host="127.0.0.1", hold=None, shutdown_s=1000.0):
        self.host, self.port = free_address(host, 0)
        self.made, self.clients = [], []
        self.callers = []
        self.hub = SimpleNamespace(
            settings=Settings(
                host="127.0.0.1",
                wyoming_host=host,
                wyoming_port=self.port,
                shutdown_timeout_s=shutdown_s,
            ),
            stopping=False,
            callers=Callers(per_minute=0, at_a_time=0),
            account=Account(memory_bytes=3_000_000),
            metrics=Metrics(),
        )
        self.hub.callers.take = self.callers.append

        def hear(hub, directory, wanted):
            self.made.append(FakeUtterance(wanted, hold=hold))
            return self.made[-1]

        async def speak(hub, directory, wish, *, text_format, streamed):
            self.made.append(FakeSpeech(wish, streamed, hold=hold))
            return self.made[-1]

        monkeypatch.setattr(module, "HeardUtterance", hear)
        monkeypatch.setattr(module, "Speech", SimpleNamespace(open=speak))
        monkeypatch.setattr(module, "Directory", FakeDirectory)
        self.listener = WyomingListener(self.hub)

    def open_connections(self):
        text = self.hub.metrics.text().decode()
        return int(float(text.partition("\nspeechhub_wyoming_connections ")[2].partition("\n")[0]))

    async def none_is_left(self):
        """Return when every connection is closed, and what was made for it."""
        async with asyncio.timeout(60):
            while self.open_connections():  # noqa: ASYNC110  # the other ends of sockets have no event
                await asyncio.sleep(0)
        assert all(it.closed == 1 for it in self.made)

    async def client(self):
        self.clients.append(await Client.at(self.host, self.port))
        return self.clients[-1]

    @asynccontextmanager
    async def running(self):
        with capture_logs() as self.log:
            serving = asyncio.create_task(self.listener.serve())
            while not any(line["event"] == "listening" for line in self.log):
                assert not serving.done()
                await asyncio.sleep(0)
            yield self
            self.listener.stop()
            async with asyncio.timeout(60):
                await serving
            for client in self.clients:
                client.leave()
        assert not self.open_connections()
        free_address(self.host, self.port)
        assert not [line for line in self.log if line["event"] == "unexpected error"]


class FakeDirectory:
    """Offers nothing, and fails to be read."""

    info = Event("info", {"asr": []})

    def __init__(self, hub):
        pass

    async def refresh(self):
        raise OSError("the disk cannot be read")

    async def run(self):
        await asyncio.get_running_loop().create_future()


async def test_a_client_is_served(monkeypatch):
    """Where the disk cannot be read, with what is known without it."""
    served = Served(monkeypatch)
    async with served.running():
        client = await served.client()
        assert await client.ask(event("describe")) == ("info", {"asr": []})
        assert served.open_connections() == 1
        assert await client.ask(chunk() + event("audio-stop")) == ("transcript", {"text": "320 bytes"})
        client.leave()
        await served.none_is_left()

    (line,) = [line for line in served.log if line["event"] == "listening"]
    assert line["url"] == f"tcp://127.0.0.1:{served.port}"
    assert served.callers == ["127.0.0.1"]


async def test_the_disk_is_read_before_the_first_client_is_served(monkeypatch):
    """Home Assistant reads the list when it connects, and again only when its entry is loaded anew."""
    served = Served(monkeypatch)

    async def refresh(directory):
        directory.info = Event("info", {"asr": ["read"]})

    monkeypatch.setattr(FakeDirectory, "refresh", refresh)
    async with served.running():
        client = await served.client()
        assert await client.ask(event("describe")) == ("info", {"asr": ["read"]})


async def test_the_system_probes_a_client_that_is_silent(monkeypatch):
    """A machine that lost power while it waited for an answer would hold its connection for ever."""
    served = Served(monkeypatch)
    async with served.running():
        client = await served.client()
        assert (await client.ask(event("ping")))[0] == "pong"
        assert keepalive_runs(served.port)


def keepalive_runs(port):
    """Return whether the kernel has a timer for probes at each connection of *port*. Source: proc(5)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    timers = [row[5] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return bool(timers) and all(timer.startswith("02:") for timer in timers)


@pytest.mark.parametrize(
    ("host", "by", "caller"), [("::", "127.0.0.1", "127.0.0.1"), ("::1", "::1", "::/64")]
)
async def test_addresses_of_both_families(monkeypatch, host, by, caller):
    """An IPv4 client of a socket for both is counted under its own address."""
    try:
        served = Served(monkeypatch, host=host)
    except ConfigurationError:
        pytest.skip("this machine has no IPv6")
    async with served.running():
        client = await Client.at(by, served.port)
        assert (await client.ask(WHOLE))[0] == "audio-start"
        client.leave()

    assert served.callers == [caller]


@pytest.mark.parametrize("begun", [WHOLE, chunk()])
@pytest.mark.scenario("wyoming-full")
async def test_one_connection_too_many_is_refused_with_a_reason(monkeypatch, begun):
    """It learns what there is, but its work is refused; the log says it once, and others make room again."""
    served = Served(monkeypatch)
    async with served.running():
        clients = [await served.client() for _ in range(MAX_CONNECTIONS)]
        for client in clients:
            assert (await client.ask(event("ping")))[0] == "pong"
        for _ in range(3):
            refused = await served.client()
            assert (await refused.ask(event("describe")))[0] == "info", (
                "others do not make the server unavailable"
            )
            kind, data = await refused.ask(begun)
            assert (kind, data["code"]) == ("error", "too_many_connections")
            assert await refused.next() is None
            refused.leave()
        assert not served.made
        assert served.open_connections() == MAX_CONNECTIONS
        for client in clients:
            client.leave()
        await served.none_is_left()
        last = await served.client()
        assert (await last.ask(event("describe")))[0] == "info"
        last.leave()

    assert len([line for line in served.log if line["event"].startswith("connections are refused")]) == 1


@pytest.mark.scenario("wyoming-full")
async def test_large_events_that_never_end_do_not_fill_the_memory(monkeypatch):
    """They are accounted for like uploads; audio in pieces of the usual size is still heard."""
    served = Served(monkeypatch)
    begun = json.dumps({"type": "audio-chunk", "payload_length": 1_000_000}).encode() + b"\n" + bytes(999_999)
    async with served.running():
        for _ in range(3):
            client = await served.client()
            client.writer.write(event("ping") + begun)
            assert (await client.next())[0] == "pong"
        async with asyncio.timeout(60):
            while served.hub.account.held("memory") < 3_000_000:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0)
        one_more = await served.client()
        assert (await one_more.ask(begun))[1]["code"] == "server_is_overloaded"
        usual = await served.client()
        assert (await usual.ask(chunk() + event("audio-stop")))[0] == "transcript"
        for client in served.clients:
            client.leave()
        await served.none_is_left()
        assert served.hub.account.held("memory") == 0


@pytest.mark.scenario("wyoming-full")
async def test_connections_beyond_the_limit_are_closed_after_a_while(monkeypatch):
    """Also where they go on to ask; and there are not any number of them."""
    monkeypatch.setattr(module, "VISIT_S", 0.05)
    served = Served(monkeypatch)
    async with served.running():
        for _ in range(MAX_CONNECTIONS):
            assert (await (await served.client()).ask(event("ping")))[0] == "pong"
        visit = await served.client()
        visit.writer.write(event("ping"))
        assert [kind async for kind, _ in _all(visit)] == ["pong"]
        monkeypatch.setattr(module, "VISIT_S", 1000.0)
        visits = [await served.client() for _ in range(MAX_CONNECTIONS)]
        for visit in visits:
            assert (await visit.ask(event("ping")))[0] == "pong"
        one_more = await served.client()
        with contextlib.suppress(ConnectionError):
            assert await one_more.next() is None


@pytest.mark.scenario("wyoming-leaves")
@pytest.mark.parametrize("rudely", [False, True])
async def test_clients_that_leave_at_any_time_leave_nothing(monkeypatch, rudely):
    """Neither a connection nor work, whatever had been sent of a request."""
    sent = event("transcribe") + chunk() + event("audio-stop") + event("synthesize-start") + WHOLE
    sent += 30 * event("describe") + b"no event\n"
    served = Served(monkeypatch, hold=asyncio.Event())
    async with served.running():
        for cut in (*range(0, len(sent), 9), *[len(sent)] * 50):
            client = await served.client()
            client.writer.write(sent[:cut])
            await client.writer.drain()
            client.leave(rudely=rudely)
        await served.none_is_left()
        assert served.made


@pytest.mark.scenario("wyoming-unreadable")
async def test_the_last_words_arrive_although_the_client_still_sends(monkeypatch):
    """Unread input would have the system reset the connection, and throw away what was sent."""
    served = Served(monkeypatch)
    async with served.running():
        client = await served.client()
        client.writer.write(b"no event\n" + bytes(5_000_000))
        client.writer.write_eof()
        kind, data = await client.next()
        assert (kind, data["code"]) == ("error", "bad_request")
        assert await client.next() is None
        client.leave()


@pytest.mark.scenario("wyoming-stopping")
async def test_the_end_of_the_server(monkeypatch):
    """Idle connections are closed, half an utterance is refused, and an answer is finished."""
    hold = asyncio.Event()
    served = Served(monkeypatch, hold=hold)
    async with served.running():
        idle, hearing, working = [await served.client() for _ in range(3)]
        await idle.ask(event("ping"))
        await hearing.ask(chunk() + event("ping"))
        await working.ask(WHOLE)
        assert served.listener.sessions == 2
        ending = asyncio.create_task(served.listener.end_sessions())
        assert await idle.next() is None
        assert (await hearing.next())[1]["code"] == SHUTTING_DOWN
        hearing.leave()
        with pytest.raises(ConnectionRefusedError):
            await served.client()
        assert not ending.done()
        hold.set()
        kinds = [event[0] async for event in _all(working)]
        assert kinds[-1] == "audio-stop"
        await ending


@pytest.mark.scenario("wyoming-stopping")
async def test_work_that_takes_too_long_is_cut_off(monkeypatch):
    """Its client gets an error."""
    served = Served(monkeypatch, hold=asyncio.Event(), shutdown_s=0.05)
    async with served.running():
        working = await served.client()
        await working.ask(WHOLE)
        ending = asyncio.create_task(served.listener.end_sessions())
        last = [event async for event in _all(working)][-1]
        assert last[1]["code"] == SHUTTING_DOWN
        working.leave()
        await ending

    assert [line["status"] for line in served.log if line["event"] == "request"] == [503]


async def _all(client):
    while (event := await client.next()) is not None:
        yield event


async def test_a_listener_that_was_stopped_before_does_not_begin(monkeypatch):
    """A signal may come while the server starts."""
    served = Served(monkeypatch)
    served.listener.stop()
    await served.listener.serve()
    assert not served.open_connections()


@pytest.mark.scenario("wyoming-taken")
def test_a_port_that_is_taken_is_told_at_once(monkeypatch):
    """With the names of the settings of this port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr("tests.system.wyoming.test_listener.free_address", lambda *_: other.getsockname())
        with pytest.raises(ConfigurationError, match="SPEECHHUB_WYOMING_PORT"):
            Served(monkeypatch)


@pytest.mark.scenario("wyoming-taken")
async def test_a_port_that_is_taken_meanwhile_ends_the_other_listener(monkeypatch):
    """The server does not go on with half of its ports."""
    served = Served(monkeypatch)
    other = Served(monkeypatch)
    taken = socket.create_server((served.host, served.port))
    with taken, capture_logs(), pytest.raises(ConfigurationError, match="SPEECHHUB_WYOMING_PORT"):
        await _accept([other.listener, served.listener])
    free_address(other.host, other.port)

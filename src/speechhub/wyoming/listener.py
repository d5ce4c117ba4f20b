"""The TCP port of Wyoming, served on the hub's own event loop."""

import asyncio
import contextlib
import socket
from functools import partial
from typing import Final, NoReturn

import structlog

from speechhub.errors import UnavailableError
from speechhub.hub import Hub
from speechhub.services.callers import caller_at
from speechhub.settings.hosts import address_of, reachable
from speechhub.settings.listening import free_address
from speechhub.wyoming.announcement import announced
from speechhub.wyoming.connection import Connection, Offer
from speechhub.wyoming.directory import Directory
from speechhub.wyoming.exchange import Exchange, log_bug
from speechhub.wyoming.speech import Speech
from speechhub.wyoming.utterance import HeardUtterance
from speechhub.wyoming.wire import MAX_LINE_BYTES, WyomingWire

log = structlog.get_logger()

MAX_CONNECTIONS: Final = 64
"""Connections at a time, for all clients together: Home Assistant is often the only one, and opens one for
each utterance, each speech and each `describe`. As many more are visits: they are told what there is, and
their work is refused. Without an answer to `describe`, Home Assistant takes the whole server for gone."""
VISIT_S: Final = 10.0
"""How long a visit may last."""
DESCRIPTORS: Final = 3 * MAX_CONNECTIONS
"""Files and sockets that they may have open: each a socket and audio on disk, and a socket of a visit."""
BACKLOG: Final = 128
"""Connections that wait in the kernel until they are accepted."""
KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds until a silent client is probed, seconds between probes, and how many it may leave unanswered: its
machine may have lost power while it waited for an answer. Source: tcp(7)."""


class TooManyConnectionsError(UnavailableError):
    """All connections of this port are in use."""

    code = "too_many_connections"


class WyomingListener:
    """Serves the hub's models and voices to Home Assistant and other clients until it is stopped."""

    def __init__(self, hub: Hub) -> None:
        """Check the address; nothing listens yet.

        Raises:
            ConfigurationError: The address cannot be listened on.
        """
        settings = hub.settings
        self._hub = hub
        self._host = settings.wyoming_address
        self._address, self._port = self._checked(settings.wyoming_port)
        self._directory = Directory(hub)
        self._stopped = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._visits: set[asyncio.Task[None]] = set()
        self._full = False

    def _checked(self, port: int) -> tuple[str, int]:
        return free_address(self._host, port, prefix="wyoming_")

    async def serve(self) -> None:
        """Accept clients until `stop`; return when running work is answered.

        Raises:
            ConfigurationError: Another program has taken the address since it was checked.
        """
        if self._stopped.is_set():
            return
        with contextlib.suppress(Exception):  # HTTP is served all the same; `run` tries again, and logs it
            await self._directory.refresh()
        refreshing = asyncio.create_task(self._directory.run())
        try:
            self._server = await asyncio.start_server(
                self._accept, sock=self._bound(), limit=MAX_LINE_BYTES, backlog=BACKLOG
            )
            log.info("listening", url=_url(self._host, self._port), host=self._host)
            async with announced(self._hub.settings, self._address, self._port):
                await self._stopped.wait()
            self._close()
            while self._connections:
                await asyncio.wait([*self._connections])
        finally:
            self._close()
            tasks = [refreshing, *self._connections, *self._visits]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def sessions(self) -> int:
        """How many connections work runs for; others are closed at any time."""
        return sum(1 for connection in self._connections.values() if connection.busy)

    async def end_sessions(self) -> None:
        """Accept no more clients, and close idle connections; return when running work is over.

        It is cut off after the setting ``shutdown_timeout_s``.
        """
        self._close()
        if not self._connections:
            return
        _, late = await asyncio.wait([*self._connections], timeout=self._hub.settings.shutdown_timeout_s)
        for task in late:
            if connection := self._connections.get(task):
                connection.cut_off()
        if late:
            log.warning("connections are cut off", path="wyoming", connections=len(late))
            await asyncio.wait(late)

    def stop(self) -> None:
        """Accept no more clients, and close idle connections; running work may go on."""
        self._stopped.set()
        self._close()

    def _close(self) -> None:
        """Stop listening, and have every connection end once nothing runs for it."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.finish()

    def _bound(self) -> socket.socket:
        """Return a socket at the address, which is free at once after a restart."""
        bound = socket.socket(socket.AF_INET6 if ":" in self._address else socket.AF_INET)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._address, self._port))
            bound.listen(BACKLOG)
        except OSError:
            bound.close()
            self._checked(self._port)  # says what to do about it
            raise
        return bound

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin to talk to a client; called by the event loop."""
        wire = WyomingWire(reader, writer, self._hub.account.open())
        if len(self._connections) < MAX_CONNECTIONS:
            self._full = self._full and len(self._connections) > MAX_CONNECTIONS // 2
            _keep_alive(writer)
            connection = Connection(wire, self._offer(writer))
            task = asyncio.create_task(_attend(connection))
            self._connections[task] = connection
            task.add_done_callback(self._forget)
            self._hub.metrics.wyoming_connections(len(self._connections))
            if self._stopped.is_set():
                connection.finish()
            return
        if not self._full:
            log.warning(
                "connections are refused: too many are open",
                path="wyoming",
                connections=MAX_CONNECTIONS,
                remedy=f"ss -tn sport = :{self._port} lists the clients. Restart one that leaves many open.",
            )
        self._full = True
        if len(self._visits) < MAX_CONNECTIONS:
            task = asyncio.create_task(_visit(Connection(wire, self._offer(writer, full=True))))
            self._visits.add(task)
            task.add_done_callback(self._visits.discard)
        else:
            writer.transport.abort()

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        self._hub.metrics.wyoming_connections(len(self._connections))

    def _offer(self, writer: asyncio.StreamWriter, *, full: bool = False) -> Offer:
        """Return what a client is offered; where all connections are in use, work is refused."""
        peer = writer.get_extra_info("peername")  # None once the client has left
        host = str(peer[0]).partition("%")[0] if peer else "unknown"
        caller = caller_at(str(address_of(host) or host))
        return Offer(
            info=lambda: self._directory.info,
            hear=_refuse if full else partial(HeardUtterance, self._hub, self._directory),
            speak=_refuse if full else partial(Speech.open, self._hub, self._directory),
            exchange=lambda route: Exchange(self._hub, route=route, caller=caller),
        )


async def _attend(connection: Connection) -> None:
    try:
        await connection.serve()
    except Exception as error:  # noqa: BLE001 - other clients are served all the same
        log_bug(error, "wyoming")


async def _visit(connection: Connection) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(VISIT_S):
            await _attend(connection)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TooManyConnectionsError(
        f"{MAX_CONNECTIONS} connections to this port are open, which is the limit. Close some, or try again "
        "later."
    )


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the system detect a client whose machine is gone."""
    connected = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it has left already
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _url(host: str, port: int) -> str:
    """Return the address at which the server can be reached from its own machine."""
    host = reachable(host)
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

"""Runs a hub and its listeners in this process, from the start until a signal ends it.

At startup the listeners' addresses are checked, then the hub opens, then the listeners accept clients while
models are preloaded in the background. At shutdown open sessions answer what was begun and are closed, the
listeners accept no more clients, running requests get time to finish, the engines end, and connections that
are still open are closed.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final, Protocol

import structlog

from speechhub.http.app import create_app
from speechhub.http.listener import HttpListener
from speechhub.http.sockets.open_sessions import SESSIONS
from speechhub.hub import Hub
from speechhub.metrics import Looked
from speechhub.server.connections import families, granted, watch
from speechhub.server.memory import freed_memory_given_back, keep_freed_memory, startup_kept

log = structlog.get_logger()

LINGER_S: Final = 5.0
"""How long answers may take to be sent, once the work behind them has ended."""
SWITCH_S: Final = 0.0005
"""How long a thread may keep Python's interpreter from the event loop, which releases it at each system call.
Python's default of 5 ms, a dozen times per request, made 1300 requests take minutes while two threads split
their texts, at a tenth of the CPU's capacity; with this value they took 12 s."""


class Listener(Protocol):
    """Accepts clients of one protocol; each instance serves once."""

    async def serve(self) -> None:
        """Accept clients; return when `stop` was called and the running requests are answered.

        Raises:
            ConfigurationError: Another program has taken the address.
        """
        ...

    @property
    def sessions(self) -> int:
        """How many sessions are open, which `stop` would break off."""
        ...

    async def end_sessions(self) -> None:
        """Tell open sessions that the server stops; return when they are over."""
        ...

    def stop(self) -> None:
        """Accept no more clients, even if `serve` was not called yet; return at once."""
        ...


async def run(hub: Hub) -> None:
    """Serve at the addresses in the hub's settings until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: The server cannot listen on an address.
    """
    settings = hub.settings
    listeners: list[Listener] = []
    besides = 0
    if settings.wyoming_port:
        from speechhub.wyoming import listener as wyoming  # noqa: PLC0415 - its memory is for those who use it

        listeners.append(wyoming.WyomingListener(hub))
        besides = wyoming.DESCRIPTORS
    connections = granted(settings.connection_limit, besides=besides)
    hub.metrics.also(Looked(partial(families, settings.connection_limit, besides=besides)))
    app = create_app(hub)
    http = HttpListener(
        app, settings.host, settings.port, connections=connections, sessions=app.state[SESSIONS]
    )
    watching = asyncio.create_task(watch(connections))
    try:
        await serve(hub, [http, *listeners])
    finally:
        watching.cancel()


@contextlib.asynccontextmanager
async def opened(hub: Hub) -> AsyncIterator[None]:
    """Within the block, keep *hub* open in this process, with its memory tuned and its models preloading.

    For any server in front of a hub; listeners and signals are the server's business. Once for each process.
    """
    keep_freed_memory()
    sys.setswitchinterval(SWITCH_S)
    startup_kept()
    async with hub, freed_memory_given_back(hub.pools.disk, busy=lambda: hub.account.held("memory") > 0):
        log.info(
            "ready",
            ready_s=round(time.monotonic() - hub.started_monotonic, 3),
            **{slot.model_setting: model for slot, model in hub.catalog.defaults.items()},
        )
        hub.preload(hub.settings.preload)
        yield


async def serve(hub: Hub, listeners: Sequence[Listener]) -> None:
    """Open *hub* and serve until SIGTERM or SIGINT; a second signal does not wait for running requests."""
    loop = asyncio.get_running_loop()
    ending = _Ending(hub, listeners)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.begin, number)
    try:
        async with opened(hub):
            await _accept(listeners)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
    log.info("stopped")


async def _accept(listeners: Sequence[Listener]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for listener in listeners:
                group.create_task(listener.serve())
    except ExceptionGroup as failed:
        first = failed.exceptions[0]
        raise first from first.__cause__  # the command line has a message for the error, not for a group


class _Ending:
    """The end of the process: sessions and running requests get a limited time to finish."""

    def __init__(self, hub: Hub, listeners: Sequence[Listener]) -> None:
        self._hub = hub
        self._listeners = listeners
        self._task: asyncio.Task[None] | None = None

    def begin(self, number: int) -> None:
        """Let running requests finish, and accept no more clients; at the second signal, exit at once.

        Where sessions are open, clients are accepted until these have ended.
        """
        if self._task is not None:
            log.warning("stopped at once, by a second signal")
            os._exit(128 + number)  # workers end with this process, however it ends
        log.info("stopping", signal=signal.Signals(number).name)
        self._hub.stopping = True
        loop = asyncio.get_running_loop()
        end_at = loop.time() + self._hub.settings.shutdown_timeout_s
        if not any(listener.sessions for listener in self._listeners):
            self._stop()  # at once, before another client is accepted
        self._task = loop.create_task(self._finish(end_at))

    def _stop(self) -> None:
        for listener in self._listeners:
            listener.stop()

    async def _finish(self, end_at: float) -> None:
        # Granian breaks off WebSockets without a close frame when it stops: their clients are told before.
        await asyncio.gather(*(listener.end_sessions() for listener in self._listeners))
        self._stop()
        # A listener waits for its connections without a limit: end the work behind them, then close them.
        await self._hub.manager.close(max(0.0, end_at - asyncio.get_running_loop().time()))
        await asyncio.sleep(LINGER_S)
        log.warning("connections that are still open are cut off")
        os._exit(0)

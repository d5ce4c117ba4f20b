"""Serves the application with Granian, inside this process.

Granian's embedded server runs on our own event loop: one process instead of a supervisor and a worker, so a
killed hub leaves nobody behind, signals are ours, and 35 MB of memory are saved (docs/design.md).
"""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import warnings
from typing import Final

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from speechhub.errors import ConfigurationError
from speechhub.http.edges.unread import unread_thrown_away
from speechhub.hub import Hub
from speechhub.server.connections import granted, watch
from speechhub.server.memory import keep_freed_memory, startup_kept
from speechhub.settings import Settings
from speechhub.settings.hosts import reachable, reachable_url

log = structlog.get_logger()


LINGER_S: Final = 5.0
"""How long answers may take to leave, once the work behind them has ended."""
HEAD_S: Final = 30.0
"""How long the head of a request may take to arrive, and a connection may be idle before and between."""
SWITCH_S: Final = 0.0005
"""How long a thread may keep Python's interpreter from the event loop, which lets go of it with each system
call. Python's own 5 ms, a dozen times for each request, made 1300 requests take minutes while two threads
split their texts, at a tenth of what the CPU could do; with this they took 12 s."""
BACKLOG: Final = 1024
"""Connections that wait in the kernel until they are accepted; its own limit may be less."""


async def serve(app: Litestar, hub: Hub, settings: Settings) -> None:
    """Serve *app* until SIGTERM or SIGINT; a second signal does not wait for running requests.

    Raises:
        ConfigurationError: The address cannot be listened on.
    """
    address, port = _free_address(settings.host, settings.port)
    keep_freed_memory()
    sys.setswitchinterval(SWITCH_S)
    connections = granted(settings.connection_limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "experimental": tests/e2e prove what we use of it
        server = Server(
            unread_thrown_away(app),
            address=address,
            port=port,
            interface=Interfaces.ASGI,
            log_enabled=False,
            # HTTP/2 without TLS, which no client here speaks, keeps idle connections for ever; where it is to
            # be recognised, so does HTTP/1 before its first byte.
            http=HTTPModes.http1,
            backlog=BACKLOG,
            backpressure=connections,
            http1_settings=HTTP1Settings(header_read_timeout=round(HEAD_S * 1000)),
        )
    startup_kept()
    loop = asyncio.get_running_loop()
    ending = _Ending(server, app, hub, settings.shutdown_timeout_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.begin, number)
    beside = [
        asyncio.create_task(_announce(settings.host, port)),
        asyncio.create_task(watch(connections)),
    ]
    try:
        await server.serve()
    finally:
        for task in beside:
            task.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
    log.info("stopped")


async def _announce(host: str, port: int) -> None:
    """Say so once the server really accepts connections; Granian has no hook for it."""
    while True:
        try:
            _, writer = await asyncio.open_connection(reachable(host), port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            log.info("listening", url=reachable_url(host, port), host=host)
            return


class _Ending:
    """The end of the server: running requests get their time, and no more than that."""

    def __init__(self, server: Server, app: Litestar, hub: Hub, timeout_s: float) -> None:
        self._server = server
        self._app = app
        self._hub = hub
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None

    def begin(self, number: int) -> None:
        """Stop to accept, and let running requests finish; at the second signal, end at once."""
        if self._task is not None:
            log.warning("stopped at once, by a second signal")
            os._exit(128 + number)  # workers end with this process, whatever way it ends
        log.info("stopping", signal=signal.Signals(number).name)
        self._app.state.stopping = True
        self._server.stop()  # type: ignore[no-untyped-call]  # Granian has no annotation here
        self._task = asyncio.get_running_loop().create_task(self._finish())

    async def _finish(self) -> None:
        # Granian waits for its connections without a limit: end what keeps them busy, and then them.
        await self._hub.manager.close(self._timeout_s)
        await asyncio.sleep(LINGER_S)
        log.warning("connections that are still open are cut off")
        os._exit(0)


def _remedy(error: OSError) -> str:
    """Return what to do about an address that cannot be listened on."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            "Set SPEECHHUB_HOST, or --host, to an address of this machine: 127.0.0.1 for this machine alone, "
            "0.0.0.0 for all of its networks."
        )
    if error.errno == errno.EACCES:
        return "Set SPEECHHUB_PORT, or --port, to 1024 or more: smaller ones are the system administrator's."
    return "Set SPEECHHUB_PORT, or --port, to a free port, or stop the program that uses this one."


def _free_address(host: str, port: int) -> tuple[str, int]:
    """Find out before anything starts whether the address is free; return it as numbers, also for port 0."""
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {f'[{host}]' if ':' in host else host}:{port}: {error.strerror}. "
                f"{_remedy(error)}"
            ) from error
        found = probe.getsockname()
        return str(found[0]), int(found[1])

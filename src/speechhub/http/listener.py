"""Granian as the HTTP server inside this process.

Granian's embedded server runs on our own event loop: one process instead of a supervisor and a worker, so a
killed hub leaves no process behind, signals are ours, and 35 MB of memory are saved (docs/design.md).
"""

import asyncio
import warnings
from typing import Final

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar.types import ASGIApp

from speechhub.http.edges.unread import unread_thrown_away
from speechhub.http.sockets.open_sessions import OpenSessions
from speechhub.settings.hosts import reachable, reachable_url
from speechhub.settings.listening import free_address

log = structlog.get_logger()


HEAD_S: Final = 30.0
"""How long the head of a request may take to arrive, and a connection may be idle before and between."""
BACKLOG: Final = 1024
"""Connections that wait in the kernel until they are accepted; its own limit may be less."""


class HttpListener:
    """Serves an application over HTTP until it is stopped."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, connections: int, sessions: OpenSessions
    ) -> None:
        """Check the address; nothing listens yet.

        Args:
            app: Answers the requests.
            host: Address to listen on, or ``localhost``.
            port: TCP port; 0 for a free one.
            connections: How many may be open at a time; more wait in the kernel.
            sessions: Those of *app*.

        Raises:
            ConfigurationError: The address cannot be listened on.
        """
        self._host = host
        self._sessions = sessions
        address, self._port = free_address(host, port)
        self._stopped = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "experimental": tests/e2e prove what we use of it
            self._server = Server(
                unread_thrown_away(app),
                address=address,
                port=self._port,
                interface=Interfaces.ASGINL,
                log_enabled=False,
                # HTTP/2 without TLS, which no client here speaks, keeps idle connections for ever; where it
                # is to be recognised, so does HTTP/1 before its first byte.
                http=HTTPModes.http1,
                backlog=BACKLOG,
                backpressure=connections,
                http1_settings=HTTP1Settings(header_read_timeout=round(HEAD_S * 1000)),
            )

    async def serve(self) -> None:
        """Accept clients until `stop`; return when the running requests have their answers.

        Raises:
            ConfigurationError: Another program has taken the address since it was checked.
        """
        if self._stopped:
            return
        announcing = asyncio.create_task(_announce(self._host, self._port))
        try:
            await self._server.serve()
        except RuntimeError:  # Granian's, which does not say what to do about it
            free_address(self._host, self._port)
            raise
        finally:
            announcing.cancel()

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    async def end_sessions(self) -> None:
        """Tell open sessions that the server stops; return when they are over."""
        await self._sessions.end()

    def stop(self) -> None:
        """Accept no more clients, and break off the sessions that are open."""
        self._stopped = True
        self._server.stop()  # type: ignore[no-untyped-call]  # Granian has no annotation here


async def _announce(host: str, port: int) -> None:
    """Log that the server listens once it really accepts connections; Granian has no hook for it."""
    while True:
        try:
            _, writer = await asyncio.open_connection(reachable(host), port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            log.info("listening", url=reachable_url(host, port), host=host)
            return

"""The ASGI application of a replica: opens and closes its hub with Ray's lifespan, and marks its answers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from litestar import Litestar

from speechhub.errors import RateLimitedError
from speechhub.http.app import SECRETS, create_app
from speechhub.http.sockets.open_sessions import SESSIONS
from speechhub.hub import Hub
from speechhub.server.process import opened
from speechhub.services.replicas import SharedSecret
from speechhub_ray.proxy_errors import REPLICA_HEADER

log = structlog.get_logger()

JOIN_AFTER_S: Final = (0.0, 3.0, 15.0)
"""When a new replica asks the others for client secrets, each time after the one before: those that are made
while it starts reach only replicas that the router of their maker knows already."""
LOOK_S: Final = 0.5
"""How often a replica looks whether Ray has asked it to end."""
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
_HTTP: Final = "http.response.start"
_BEGINNINGS: Final = frozenset({_HTTP, "websocket.accept", "websocket.http.response.start"})
"""Messages that have the headers of an answer."""


class ReplicaApplication:
    """One hub behind ASGI, from lifespan's startup to its shutdown."""

    def __init__(
        self,
        hub: Hub,
        name: str,
        *,
        is_ending: Callable[[], bool],
        known_secrets: Callable[[], Awaitable[Iterable[SharedSecret]]],
    ) -> None:
        """Build the application; the hub is opened at startup.

        Args:
            hub: Not open yet.
            name: The replica's.
            is_ending: Whether Ray has begun to end the replica.
            known_secrets: Returns the client secrets of the other replicas.
        """
        self._hub = hub
        self._name = name
        self._is_ending = is_ending
        self._known_secrets = known_secrets
        self._app: Litestar = create_app(hub)
        self.draining = False
        """Whether the replica takes no more sessions, because it ends."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request or a WebSocket, or live through the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, marked(send, self._name))

    def learn(self, secret: SharedSecret) -> None:
        """Take in a client secret that another replica has made.

        Raises:
            RateLimitedError: There is no room for it.
        """
        self._app.state[SECRETS].learn(secret)

    def secrets(self) -> list[SharedSecret]:
        """Return the client secrets that are valid."""
        secrets: list[SharedSecret] = self._app.state[SECRETS].valid()
        return secrets

    async def drain(self) -> None:
        """Tell open sessions that this replica ends, and routers to send nothing more; requests go on."""
        if not self.draining:
            self.draining = self._hub.stopping = True
            log.info("draining")
            await self._app.state[SESSIONS].end()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(opened(self._hub))
            except Exception as error:
                log.exception("the hub cannot be opened")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            joining = asyncio.create_task(self._join())
            watching = asyncio.create_task(self._drain_at_the_end())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            watching.cancel()
            joining.cancel()
        log.info("stopped")
        await send({"type": "lifespan.shutdown.complete"})

    async def _join(self) -> None:
        """Take in the client secrets that the other replicas know already: this one may replace another."""
        for pause_s in JOIN_AFTER_S:
            await asyncio.sleep(pause_s)
            for secret in await self._known_secrets():
                with contextlib.suppress(RateLimitedError):
                    self.learn(secret)

    async def _drain_at_the_end(self) -> None:
        """Drain when Ray ends the replica: Ray waits for open sockets, and their application is not told."""
        while not self._is_ending():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(LOOK_S)
        await self.drain()


def marked(send: Send, name: str) -> Send:
    """Wrap *send*: name the replica in each answer, and leave the request's id to Ray where it adds it."""

    async def send_marked(message: Any) -> None:
        if message["type"] in _BEGINNINGS:
            headers = list(message.get("headers", ()))
            if message["type"] == _HTTP:
                headers = [pair for pair in headers if pair[0].lower() != b"x-request-id"]
            message = {**message, "headers": [*headers, (REPLICA_HEADER, name.encode())]}
        await send(message)

    return send_marked

"""One client's session over a WebSocket: a protocol's conversation, within the limits of all sessions."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol

import structlog
from litestar import WebSocket
from litestar.datastructures import State

from speechhub.errors import RateLimitedError
from speechhub.http.context import RequestContext, context_of
from speechhub.http.sockets.farewells import FarewellReason
from speechhub.http.sockets.open_sessions import OpenSessions, sessions_of
from speechhub.http.sockets.socket import Socket, SocketLimits

log = structlog.get_logger()

HttpSocket = WebSocket[None, None, State]
"""Litestar's WebSocket, of an application without users and sessions."""

FAREWELL_S: Final = 2.0
"""How long a conversation's last words may take to be queued."""
GRACE_S: Final = 0.5
"""How long a conversation may take to end by itself, once the client has left or the socket is closed."""
KEY_S: Final = 10.0
"""How long a session without a right key may take to show one."""


class SocketConversation(Protocol):
    """What a protocol says to one client; made for each socket, and cheap until it serves.

    `serve` gets None from `Socket.receive` when the connection is over, and should then return at once. It is
    cancelled if it does not, and must free what it holds in either case.
    """

    async def serve(self) -> None:
        """Talk to the client; return when the conversation is over. The socket is then closed with 1000.

        Raises:
            RateLimitedError: The context's ``admit`` says that too many sessions are open.
        """
        ...

    async def finish(self) -> None:
        """Begin nothing new, and return when what was begun is answered: the server is stopping.

        `serve` goes on meanwhile. It is cut off after the setting ``shutdown_timeout_s``.
        """
        ...

    async def farewell(self, reason: FarewellReason) -> None:
        """Send the last message, in the protocol's own shape; the socket is closed afterwards."""
        ...


async def in_session(
    websocket: HttpSocket,
    begin: Callable[[Socket, RequestContext], SocketConversation],
    *,
    subprotocols: Collection[str] = (),
    limits: SocketLimits | None = None,
) -> None:
    """Accept a WebSocket, have a conversation over it, and close it; the body of a route's handler.

    The context's ``trusted`` is False if a key is needed and was not shown: the conversation says so in its
    own shape and closes with 3000, or calls the context's ``admit`` with a key from the client's first
    message. The context's ``log`` takes further entries of the session's line in the log.

    Args:
        websocket: Not accepted yet.
        begin: Makes the conversation.
        subprotocols: Those that the protocol goes by; the first that the client offers is answered.
        limits: Of the connection.
    """
    context = context_of(websocket)
    context.route = websocket.scope["path_template"]
    socket = Socket(websocket.scope, websocket.receive, websocket.send, limits)
    offered = [name for name in websocket.scope.get("subprotocols") or () if name in subprotocols]
    try:
        await socket.accept(offered[0] if offered else None)
        await _Session(socket, context, begin(socket, context), sessions_of(websocket.scope)).run()
    except Exception as error:  # noqa: BLE001 - Litestar would close with a code of its own, which no client knows
        _log_bug(error, context)
        await socket.close(FarewellReason.SERVER_ERROR.close_code, FarewellReason.SERVER_ERROR.code)
    finally:
        await socket.aclose()


class _Session:
    """A conversation, and what watches over it."""

    def __init__(
        self,
        socket: Socket,
        context: RequestContext,
        conversation: SocketConversation,
        sessions: OpenSessions,
    ) -> None:
        self._socket = socket
        self._context = context
        self._conversation = conversation
        self._sessions = sessions
        self._stopping = asyncio.Event()
        self._checked = context.admit
        context.admit = self._admit

    async def run(self) -> None:
        """Have the conversation, from the first word to the last."""
        if self._sessions.ending:
            await self._part(FarewellReason.SERVER_STOPPING)
        elif self._context.refusal or not self._sessions.enter(
            self, self._stopping.set, trusted=self._context.trusted
        ):
            await self._part(FarewellReason.RATE_LIMITED)
        else:
            try:
                await self._converse()
            finally:
                self._sessions.leave(self)

    async def _converse(self) -> None:
        serving = asyncio.create_task(self._conversation.serve())
        watches = [
            asyncio.create_task(self._watch_time()),
            asyncio.create_task(self._watch_end()),
            asyncio.create_task(self._watch_reading()),
            asyncio.create_task(self._watch_leaving()),
        ]
        try:
            await asyncio.wait([serving, *watches], return_when=asyncio.FIRST_COMPLETED)
            reason = next((it.result() for it in watches if it.done() and not it.cancelled()), None)
            if serving.done():
                reason = self._judged(serving)
            if serving.done() and reason is None:
                await self._socket.close(1000)
            elif reason is FarewellReason.SLOW_CONSUMER:
                self._context.log["ended"] = reason.code
                await self._socket.cut_off(reason.close_code, reason.code)
            elif reason is not None:
                await self._part(reason)
            await asyncio.wait([serving], timeout=GRACE_S)
        finally:
            for task in (serving, *watches):
                task.cancel()
            await asyncio.gather(serving, *watches, return_exceptions=True)
            self._judged(serving)

    def _judged(self, serving: asyncio.Task[None]) -> FarewellReason | None:
        """Return why a conversation that is over ended, if not by itself; a bug is then in the log, once."""
        if serving.cancelled() or (error := serving.exception()) is None:
            return None
        if isinstance(error, RateLimitedError):
            return FarewellReason.RATE_LIMITED
        if self._context.error is None:
            _log_bug(error, self._context)
        return FarewellReason.SERVER_ERROR

    async def _part(self, reason: FarewellReason) -> None:
        """Have the conversation say its last words, and close."""
        self._context.log["ended"] = reason.code
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._conversation.farewell(reason)
        except TimeoutError:  # the client does not read
            await self._socket.cut_off(reason.close_code, reason.code)
        except Exception as error:  # noqa: BLE001 - the close says it, too
            _log_bug(error, self._context)
        await self._socket.close(reason.close_code, reason.code)

    async def _watch_time(self) -> FarewellReason:
        """Return when the session has lasted, or been idle, for too long."""
        limits, clock = self._sessions.limits, asyncio.get_running_loop().time
        began = clock()
        while True:
            now = clock()
            ends = {
                self._socket.active_at + limits.idle_s: FarewellReason.SESSION_IDLE,
                began + limits.longest_s: FarewellReason.SESSION_EXPIRED,
            }
            if not self._context.trusted:
                ends[began + KEY_S] = FarewellReason.KEY_MISSING
            at = min(ends)
            if at <= now:
                return ends[at]
            await asyncio.sleep(at - now)

    async def _watch_end(self) -> FarewellReason:
        """Return when the server stops, and what the conversation had begun is answered."""
        await self._stopping.wait()
        limit_s = self._sessions.limits.finish_s
        try:
            async with asyncio.timeout(limit_s):
                await self._conversation.finish()
        except TimeoutError:
            log.warning("a session is cut off", path=self._context.path, after_s=limit_s)
        except Exception as error:  # noqa: BLE001 - the session ends all the same
            _log_bug(error, self._context)
        return FarewellReason.SERVER_STOPPING

    async def _watch_reading(self) -> FarewellReason:
        """Return when the client has read nothing for too long."""
        await self._socket.stalled.wait()
        return FarewellReason.SLOW_CONSUMER

    async def _watch_leaving(self) -> None:
        """Return when the connection is over."""
        await self._socket.gone.wait()

    def _admit(self, key: bytes) -> bool:
        """Check a key that came over the socket; return whether it is right.

        Raises:
            RateLimitedError: It is, but too many sessions are open.
        """
        if not self._checked(key):
            return False
        if not self._sessions.admit(self):
            raise RateLimitedError(FarewellReason.RATE_LIMITED.message)
        return True


def _log_bug(error: BaseException, context: RequestContext) -> None:
    context.error = type(error).__name__
    log.error("unexpected error", path=context.path, exc_info=error)

"""Uploads that stall, drip or break off: no client may hold a connection for ever."""

import asyncio

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

from speechhub.errors import UploadBrokenOffError, UploadStalledError


def uploads_bounded(app: ASGIApp, *, idle_timeout_s: float, min_bytes_per_s: int) -> ASGIApp:
    """Wrap *app*: reading a body that stalls, drips or breaks off raises an error.

    The client begins with *idle_timeout_s* to spare. Time takes from it, and each byte that arrives gives
    back what it may take, up to *idle_timeout_s* again: a client may pause for as long, and over more than
    that its average is no less than *min_bytes_per_s*. Source: MinRequestBodyDataRate of Kestrel, and
    RequestReadTimeout of Apache's mod_reqtimeout, which have the same two numbers.

    Args:
        app: What reads the body.
        idle_timeout_s: How long the client may send nothing; time that the reader spends elsewhere does not
            count.
        min_bytes_per_s: Slowest average.

    Raises:
        UploadStalledError, UploadBrokenOffError: From ``receive``, while the body is incomplete.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            receive = _Upload(receive, idle_timeout_s, min_bytes_per_s).receive
        await app(scope, receive, send)

    return wrapped


class _Upload:
    """One request's body, while it arrives."""

    def __init__(self, receive: Receive, idle_timeout_s: float, min_bytes_per_s: int) -> None:
        self._receive = receive
        self._idle_timeout_s = idle_timeout_s
        self._min_bytes_per_s = min_bytes_per_s
        self._left_s = idle_timeout_s
        self._complete = False

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        if self._complete:  # what comes now is the client's leaving
            return await self._receive()
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError as error:
            raise UploadStalledError(self._idle_timeout_s, self._min_bytes_per_s) from error
        self._left_s -= clock() - began
        if message["type"] != "http.request":
            # Litestar would report it as an error of the server. The client may still be listening: Granian
            # reports chunks that it cannot read in the same way.
            raise UploadBrokenOffError
        self._complete = not message.get("more_body", False)
        given_s = len(message.get("body", b"")) / self._min_bytes_per_s
        self._left_s = min(self._left_s + given_s, self._idle_timeout_s)
        return message

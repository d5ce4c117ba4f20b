"""Bodies that are refused before they are read: the connection ends, the client is told so, and hears why.

What is left of a body cannot be told from the next request, so that the server hangs up. A client that is
not told sends its next request into a connection that is gone; one that still writes when the connection
ends sees a broken pipe in place of the answer. Source: RFC 9112, section 9.6.
"""

import asyncio
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

PATIENCE_S: Final = 0.5
"""How long a client that still writes may pause."""
LIMIT_S: Final = 5.0
"""How long it may go on writing."""
LIMIT_BYTES: Final = 8 * 1024 * 1024
"""How much of it is thrown away before the connection ends all the same."""


def unread_thrown_away(app: ASGIApp) -> ASGIApp:
    """Wrap *app*: where it answers before it has read the body, announce the end of the connection.

    The answer goes out at once, but for its last byte. That follows when the client has written the rest, or
    has written for long enough; *app* does not wait for it.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _has_body(scope):
            await app(scope, receive, send)
            return
        body = _Body(scope, receive, send)
        await app(scope, body.receive, body.send)
        await body.end()

    return wrapped


class _Body:
    """One request's body, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._closes = scope["http_version"].startswith("1.")  # HTTP/2 ends streams and not connections
        self._waits = not _expects(scope)
        self._receive = receive
        self._send = send
        self._unread = True
        self._held = b""

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._unread and self._closes:
            MutableScopeHeaders.from_message(message)["connection"] = "close"
        elif message["type"] == "http.response.body" and self._unread and not message.get("more_body"):
            # Granian ends the connection with the last byte, whatever still arrives.
            body = message.get("body", b"")
            message = {**message, "body": body[:-1], "more_body": bool(body)}
            self._held = body[-1:]
        await self._send(message)

    async def end(self) -> None:
        """Send what is held back of the answer once the client has stopped to write."""
        if not self._held:
            return
        if self._waits:
            await self._throw_away()
        await self._send({"type": "http.response.body", "body": self._held, "more_body": False})

    async def _throw_away(self) -> None:
        left_bytes = LIMIT_BYTES
        try:
            async with asyncio.timeout(LIMIT_S):
                while self._unread and left_bytes > 0:
                    async with asyncio.timeout(PATIENCE_S):
                        message = await self.receive()
                    if message["type"] == "http.request":
                        left_bytes -= len(message["body"])
        except TimeoutError:
            pass


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _expects(scope: Scope) -> bool:
    """Tell whether the client sends its body only when it is told to go on, which it was not."""
    return dict(scope["headers"]).get(b"expect", b"").lower() == b"100-continue"

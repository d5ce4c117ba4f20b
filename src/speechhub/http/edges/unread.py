"""Bodies that are refused before they are read: the client gets the answer although it is still writing.

If the connection closed while a client writes, it would see a broken pipe instead of the answer. So the rest
of the body is discarded for a while, as nginx does with lingering_close, and then the answer is sent. An
answer before the end of the body is lost by Node's fetch, which closes the connection and fails because it
cannot write on, and by proxies in Go, which close the body when the answer begins. A client that pauses may
be waiting for the answer: it gets all but the last byte. What remains unread cannot be distinguished from
the next request, so the connection closes, and the answer says so.
Source: RFC 9112, sections 9.3 and 9.6; undici's client-h1.js, onMessageComplete; Go's net/http, server.go.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

BEGIN_S: Final = 2.0
"""How long a client that still writes may pause before the answer begins anyway. Node's fetch takes
more than a second between the head and 60 MB of body where the machine is busy."""
PATIENCE_S: Final = 3.0
"""How long the client may pause after that, before the answer ends. Both are nginx's lingering_timeout."""
LIMIT_S: Final = 10.0
"""How long the client may go on writing, beside the time that `LINE_BYTES_PER_S` gives it."""
LIMIT_BYTES: Final = 64 * 1024 * 1024
"""How much of one body is discarded before the connection closes anyway."""
LINE_BYTES_PER_S: Final = 512 * 1024
"""A connection that is this fast, or faster, gets the time that its upload takes, within `LIMIT_BYTES`."""
AT_ONCE: Final = 64
"""Connections whose bodies are discarded at a time; a further one ends the one that began first."""
BYTES_PER_S: Final = 256 * 1024**2
"""How much of all bodies together is discarded in a second, using less than half of a CPU; more waits."""
BURST_S: Final = 1.0
"""How many seconds' worth may be discarded at once after a quiet time."""


class Lingerers:
    """The requests whose answers wait for the rest of their bodies; one for the life of the server.

    A flood of refused uploads delays only other refused uploads: it holds neither connections that others
    need nor the event loop.
    """

    def __init__(self, *, at_once: int = AT_ONCE, bytes_per_s: int = BYTES_PER_S) -> None:
        self._at_once = at_once
        self._bytes_per_s = bytes_per_s
        self._free_at = -math.inf
        """When the average of what was discarded falls to `bytes_per_s`."""
        self._ends: dict[_Body, Callable[[], None]] = {}
        """Ends the waiting of each."""

    def __len__(self) -> int:
        return len(self._ends)

    async def throw_away(self, body: "_Body") -> None:
        """Discard the rest of *body*, until it ends, the client leaves, or a limit is reached."""
        if len(self._ends) >= self._at_once:
            self._ends.pop(next(iter(self._ends)))()
        clock = asyncio.get_running_loop().time
        end_at = clock() + LIMIT_S

        def end() -> None:
            nonlocal end_at
            end_at = -math.inf
            with contextlib.suppress(RuntimeError):  # it is not being waited for
                pause.reschedule(clock())

        self._ends[body] = end
        try:
            left_bytes = LIMIT_BYTES
            while body.unread and left_bytes > 0 and clock() < end_at:
                patience_s = PATIENCE_S if body.begun else BEGIN_S
                try:
                    async with asyncio.timeout_at(min(clock() + patience_s, end_at)) as pause:
                        size = await body.skip()
                except TimeoutError:
                    if body.begun:
                        return
                    await body.begin()
                    continue
                left_bytes -= size
                end_at += size / LINE_BYTES_PER_S
                self._free_at = max(self._free_at, clock() - BURST_S) + size / self._bytes_per_s
                if self._free_at > clock():
                    await asyncio.sleep(self._free_at - clock())
        finally:
            self._ends.pop(body, None)


def unread_thrown_away(app: ASGIApp, lingerers: Lingerers | None = None) -> ASGIApp:
    """Wrap *app*: where it answers before it has read the body, discard the rest first.

    *app* itself does not wait for that. If the client writes for too long, or was not asked for its body, the
    answer says that the connection closes.
    """
    lingerers = Lingerers() if lingerers is None else lingerers

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _has_body(scope):
            await app(scope, receive, send)
            return
        body = _Body(scope, receive, send)
        try:
            await app(scope, body.receive, body.send)
        finally:
            if body.held and not _expects(scope):
                await lingerers.throw_away(body)
            await body.release()

    return wrapped


class _Body:
    """One request's body, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._closes = scope["http_version"].startswith("1.")  # HTTP/2 ends streams and not connections
        self._receive = receive
        self._send = send
        self.unread = True
        """Whether there is more of the body."""
        self.held: list[Message] = []
        """What is held back until the body ends: a whole answer, or its end."""
        self.begun = False
        """Whether the beginning of the answer was sent."""

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.unread = False
        return message

    async def skip(self) -> int:
        """Read some of the body; return how many bytes."""
        message = await self.receive()
        return len(message.get("body", b"")) if message["type"] == "http.request" else 0

    async def send(self, message: Message) -> None:
        if self.held or (message["type"] == "http.response.start" and self.unread):
            self.held.append(message)
            if message.get("more_body"):
                await self.release()  # not a refusal, and perhaps long
            return
        await self._send(message)

    async def begin(self) -> None:
        """Send all of the answer but its last byte; the server ends the connection with that."""
        last = self.held[-1]
        if last["type"] == "http.response.body" and len(data := last.get("body", b"")) > 1:
            rest: Message = {"type": "http.response.body", "body": data[-1:], "more_body": False}
            self.held[-1] = {"type": "http.response.body", "body": data[:-1], "more_body": True}
            await self.release()
            self.held = [rest]
        self.begun = True

    async def release(self) -> None:
        """Send what is held back."""
        if self.held and self.held[0]["type"] == "http.response.start" and self.unread and self._closes:
            MutableScopeHeaders.from_message(self.held[0])["connection"] = "close"
        while self.held:
            await self._send(self.held.pop(0))


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _expects(scope: Scope) -> bool:
    """Return whether the client sends its body only after a 100 response, which it did not get."""
    return dict(scope["headers"]).get(b"expect", b"").lower() == b"100-continue"

"""A WebSocket connection with a reader and a writer of its own, whatever its handler is doing.

Granian answers pings, and tells that the client has left, only while the application waits in ``receive()``;
``send()`` on a closed connection does nothing and raises nothing. So one task always reads, up to a bound of
messages that the handler has not taken: beyond it TCP holds the client back. Another task writes what is
queued, and a client that takes nothing for too long is cut off.
"""

import asyncio
import contextlib
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Literal

from litestar.exceptions import WebSocketDisconnect
from litestar.types import Receive, Scope, Send

from speechhub.http.edges.readers import hang_up, has_left

LOOK_S: Final = 1.0
"""How often to look whether the client has left, while nothing is read because much is unread."""
FLUSH_S: Final = 5.0
"""How long a close waits until what is queued was sent."""
LINGER_S: Final = 0.5
"""Time between the last message and a close frame that tells of a refusal or a fault."""
PARTING_S: Final = 1.0
"""How long a close waits for the client's own close frame, which tells that ours arrived."""
DROPPED_S: Final = 0.01
"""How long dropping a message takes: a handler that sends in a loop must not keep the event loop busy."""
ENDINGS: Final = frozenset({1000, 1001})
"""Close codes of sessions that simply end."""
SHORT_MESSAGE: Final = 128 * 1024
"""Longest message, in characters, that protocols decode on the event loop, in half a millisecond: 16 MiB take
70, and more than a second if they are all escapes."""
NO_CODE: Final = 1005
"""Close code where the client gave none. Source: RFC 6455, section 7.4.1."""
MAX_REASON_BYTES: Final = 123
"""What fits in a close frame beside the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What one connection may hold, and how long its client may read nothing."""

    unread_bytes: int = 1024 * 1024
    """Received messages that the handler has not taken; the one that crosses it is still received."""
    queued_messages: int = 256
    queued_bytes: int = 4 * 1024 * 1024
    """What may wait to be sent; a message that is larger still goes out alone."""
    stall_s: float = 30.0
    """How long one message may take to be sent."""


@dataclass(slots=True)
class _Outgoing:
    """A message that waits to be sent."""

    data: str | bytes
    size: int
    tag: str | None


class Socket:
    """One WebSocket, which reads and writes from `accept` until `aclose`; used on the event loop.

    Messages go out in the order of the calls to `send`, also from several tasks.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, limits: SocketLimits | None = None
    ) -> None:
        """Take a connection that was not accepted yet."""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits or SocketLimits()
        self._unread: deque[str | bytes] = deque()
        self._unread_bytes = 0
        self._queue: deque[_Outgoing] = deque()
        self._queued_bytes = 0
        self._sending = False
        self._arrived = asyncio.Event()
        """Something to `receive`, or the end."""
        self._taken = asyncio.Event()
        """The handler took a message."""
        self._filled = asyncio.Event()
        """Something was queued."""
        self._moved = asyncio.Event()
        """A queued message was sent or forgotten, or the connection ended."""
        self._in_order = asyncio.Lock()
        self._forgotten: dict[str, int] = {}
        """Tag → how often messages with it were forgotten."""
        self._tasks: list[asyncio.Task[None]] = []
        self._left = asyncio.Event()
        """The server below says that the connection is over."""
        self._closing = False
        self.gone = asyncio.Event()
        """Set once the client has left, or the connection was closed or cut off: nothing will be sent."""
        self.stalled = asyncio.Event()
        """Set once the client has taken no message for `SocketLimits.stall_s`."""
        self.active_at = asyncio.get_running_loop().time()
        """When the last message came or went, on the event loop's clock."""
        self.close_code = NO_CODE
        """Code of the close frame that ended the connection; 1005 where there was none."""
        self.closed_by: Literal["client", "server"] = "client"

    async def accept(self, subprotocol: str | None = None) -> None:
        """Answer the handshake, and begin to read and write.

        Args:
            subprotocol: The one of those offered that will be spoken; never one with a key in it.
        """
        message: Any = await self._receive()
        if message["type"] != "websocket.connect":
            self._end("client", message.get("code") or NO_CODE)
            self._left.set()
            return
        accept: Any = {"type": "websocket.accept", "subprotocol": subprotocol, "headers": []}
        await self._send(accept)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    async def receive(self) -> str | bytes | None:
        """Return the next message, text or binary; None once the connection is over, whatever was unread.

        Others get a turn of the event loop before each, however many messages are there already.
        """
        await asyncio.sleep(0)
        while not self._unread:
            if self.gone.is_set():
                return None
            self._arrived.clear()
            await self._arrived.wait()
        data = self._unread.popleft()
        self._unread_bytes -= sys.getsizeof(data)
        self._taken.set()
        return data

    async def send(self, data: str | bytes, *, tag: str | None = None) -> None:
        """Queue a message; wait while too much is queued. Does nothing once the connection is over.

        Args:
            data: Text or binary. Keep it to some 64 KiB: a slow client must take each within `stall_s`.
            tag: Name of a kind of messages that `forget` can take back, such as sound.
        """
        item = _Outgoing(data, sys.getsizeof(data), tag)
        epoch = self._epoch(tag)
        async with self._in_order:  # a lock wakes those that wait in the order in which they came
            while self._is_full(item.size) and not self._dropped(tag, epoch):
                await self._next_move()
            if self._dropped(tag, epoch):
                await asyncio.sleep(DROPPED_S)
                return
            self._queue.append(item)
            self._queued_bytes += item.size
            self._filled.set()

    def forget(self, tag: str) -> int:
        """Take back what is queued, or waits to be, with *tag*; return how many queued messages that were.

        Afterwards none of them is sent, but for one that is going out in this moment.
        """
        self._forgotten[tag] = self._epoch(tag) + 1
        kept = deque(item for item in self._queue if item.tag != tag)
        dropped = len(self._queue) - len(kept)
        self._queue = kept
        self._queued_bytes = sum(item.size for item in kept)
        self._moved.set()
        return dropped

    async def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, for at most `FLUSH_S`, then close with *code*; return once that is over.

        Of calls after the first, or after the client has left, nothing comes.
        """
        if self.gone.is_set() or self._closing:
            return
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while (self._queue or self._sending) and not self.gone.is_set():
                    await self._next_move()
        if code not in ENDINGS:
            # The client may be sending: what reaches a connection that is closed is answered by a reset, at
            # which many clients forget the message that said why.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._left.wait()
        if not await self._part(code, reason):
            self._hang_up()

    async def cut_off(self, code: int, reason: str = "") -> None:
        """Close at once, whatever is queued; end the connection where the client does not even read that."""
        self._closing = True
        await self._part(code, reason)
        if not self._left.is_set():
            self._hang_up()

    async def _part(self, code: int, reason: str) -> bool:
        """Send the close frame, and wait a moment for the client's; return whether the frame was sent."""
        if self.gone.is_set():
            return True
        self._end("server", code)
        for writer in self._tasks[1:]:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        frame: Any = {"type": "websocket.close", "code": code, "reason": _short(reason)}
        sent = False
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(PARTING_S):
                await self._send(frame)
                sent = True
                await self._left.wait()
        return sent or self._left.is_set()

    def _hang_up(self) -> None:
        hang_up(self._scope.get("client"), self._scope.get("server"))

    async def aclose(self) -> None:
        """Stop reading and writing; idempotent. The connection ends with the handler."""
        self.gone.set()
        self._wake()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._unread.clear()
        self._queue.clear()

    async def _read(self) -> None:
        code = NO_CODE
        try:
            code = await self._read_all()
        finally:
            self._left.set()
            self._end("client", code)

    async def _read_all(self) -> int:
        """Read until the client leaves; return the code of its close frame."""
        while True:
            while self._unread_bytes > self._limits.unread_bytes:
                if not await self._soon_taken() and self._has_left():
                    return NO_CODE
            message: Any = await self._receive()
            if message["type"] != "websocket.receive":
                return message.get("code") or NO_CODE
            self.active_at = asyncio.get_running_loop().time()
            if self.gone.is_set():  # it was closed: what still comes is not for the handler
                continue
            text = message.get("text")
            data = text if text is not None else message.get("bytes") or b""
            self._unread.append(data)
            self._unread_bytes += sys.getsizeof(data)
            self._arrived.set()

    def _has_left(self) -> bool:
        return has_left(self._scope.get("client"), self._scope.get("server"))

    async def _soon_taken(self) -> bool:
        """Return whether the handler takes a message within `LOOK_S`."""
        self._taken.clear()
        try:
            async with asyncio.timeout(LOOK_S):
                await self._taken.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self) -> None:
        while True:
            while not self._queue:
                self._filled.clear()
                await self._filled.wait()
            item = self._queue.popleft()
            self._queued_bytes -= item.size
            self._moved.set()
            kind = "text" if isinstance(item.data, str) else "bytes"
            message: Any = {"type": "websocket.send", kind: item.data}
            self._sending = True
            try:
                async with asyncio.timeout(self._limits.stall_s):
                    await self._send(message)
            except TimeoutError:
                self.stalled.set()
                return
            finally:
                self._sending = False
            self.active_at = asyncio.get_running_loop().time()
            self._moved.set()

    async def _next_move(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _end(self, by: Literal["client", "server"], code: int) -> None:
        """Note who ended the connection, and how, the first time."""
        if self.gone.is_set():
            return
        self.closed_by, self.close_code = by, code
        self.gone.set()
        self._wake()

    def _wake(self) -> None:
        """Free what the connection holds, and wake whatever waits for it."""
        self._unread.clear()
        self._unread_bytes = 0
        self._queue.clear()
        self._queued_bytes = 0
        self._arrived.set()
        self._taken.set()
        self._moved.set()

    def _is_full(self, size: int) -> bool:
        many = len(self._queue) >= self._limits.queued_messages
        return bool(self._queue) and (many or self._queued_bytes + size > self._limits.queued_bytes)

    def _dropped(self, tag: str | None, epoch: int) -> bool:
        return self.gone.is_set() or self._closing or self._epoch(tag) != epoch

    def _epoch(self, tag: str | None) -> int:
        return self._forgotten.get(tag, 0) if tag is not None else 0


def _short(reason: str) -> str:
    """Cut a reason to what fits in a close frame."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")

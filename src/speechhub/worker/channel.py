"""The hub's end of a worker's socket: frames in, frames out, in the event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from speechhub.errors import EngineProtocolError
from speechhub.worker.protocol import (
    MAX_PAYLOAD_TO_HUB_BYTES,
    MAX_PAYLOAD_TO_WORKER_BYTES,
    PREFIX,
    Buffer,
    Frame,
    check_lengths,
    encode,
    parse,
)

DRAIN_S: Final = 1.0
"""How long to wait for the end of file when the worker has ended; another process may hold its end open."""


class Channel:
    """Sends and receives frames until `close`; owns the socket.

    Frames are read from the socket at once, so that a worker never waits for a slow client; it waits only if
    the hub's own threads are far behind.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        on_frame: Callable[[Frame], None],
        on_end: Callable[[EngineProtocolError | None], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        """Begin to read and write.

        Args:
            sock: Connected and non-blocking.
            on_frame: Called with each frame; raises EngineProtocolError if the frame is not allowed now.
            on_end: Called once, when nothing more can be read: with None at the end of file, or with the
                error.
            room: Awaited before each frame is read.
        """
        self._sock = sock
        self._on_frame = on_frame
        self._on_end = on_end
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._outbox: asyncio.Queue[list[Buffer]] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read(), name="speechhub-worker-read")
        self._writer = asyncio.create_task(self._write(), name="speechhub-worker-write")

    def send(self, frame: Frame) -> None:
        """Queue *frame* for sending; does not wait.

        A task of the channel writes it, so that a cancelled caller leaves no half-written frame.

        Raises:
            EngineProtocolError: The frame is too large.
        """
        self._outbox.put_nowait(encode(frame, max_payload_bytes=MAX_PAYLOAD_TO_WORKER_BYTES))

    async def close(self) -> None:
        """Read what the worker sent before it ended, and close the socket."""
        await asyncio.wait([self._reader], timeout=DRAIN_S)
        for task in (self._reader, self._writer):
            task.cancel()
        await asyncio.gather(self._reader, self._writer, return_exceptions=True)
        self._sock.close()

    async def _read(self) -> None:
        wrong: EngineProtocolError | None = None
        try:
            while frame := await self._receive():
                self._on_frame(frame)
                await self._room()
                await asyncio.sleep(0)  # data that has arrived is read without a pause: let others run
        except EngineProtocolError as error:
            wrong = error
        except OSError:
            pass  # reset: the worker ended with unread data
        self._on_end(wrong)

    async def _receive(self) -> Frame | None:
        """Return the next frame; None at the end of file, even within a frame: the worker died writing it."""
        prefix = bytearray(PREFIX.size)
        if not await self._fill(prefix):
            return None
        header_bytes, payload_bytes = PREFIX.unpack(prefix)
        check_lengths(header_bytes, payload_bytes, max_payload_bytes=MAX_PAYLOAD_TO_HUB_BYTES)
        header = bytearray(header_bytes)
        if not await self._fill(header):
            return None
        frame, buffers = parse(header, payload_bytes)
        for buffer in buffers:
            if not await self._fill(buffer):
                return None
        return frame

    async def _fill(self, buffer: bytearray) -> bool:
        view, received = memoryview(buffer), 0
        while received < len(buffer):
            count = await self._loop.sock_recv_into(self._sock, view[received:])
            if count == 0:
                return False
            received += count
        return True

    async def _write(self) -> None:
        # A worker that is gone is noticed by its exit, so errors need no report here.
        with contextlib.suppress(OSError):
            while True:
                for buffer in await self._outbox.get():
                    await self._loop.sock_sendall(self._sock, buffer)

"""Backlog of bytes that a listener has not taken yet: a little in memory, the rest in a file.

The engine never waits for a slow listener, who would hold a whole GPU, and the server's memory does not
either: what runs ahead lies in a temporary file without a name, in the same folder as uploads do.
"""

import asyncio
import os
import tempfile
import threading
from collections import deque
from typing import IO, Final

import structlog

from speechhub.errors import DiskFullError
from speechhub.errors.unavailable import DISK_FULL
from speechhub.pools import Pool
from speechhub.services.account import Holding

log = structlog.get_logger()

MEMORY_BYTES: Final = 1024**2
"""What waits in memory; a listener that keeps up never needs more, and no file."""
PIECE_BYTES: Final = 64 * 1024
"""Longest piece that is handed out: the server below keeps a few of them for each connection."""


class Backlog:
    """A queue of bytes with one writer and one reader; close it when the listener leaves.

    While there is a file, everything goes through it, so that the order holds; once the reader has caught up,
    the file is empty again and memory is used.
    """

    def __init__(self, holding: Holding, pool: Pool) -> None:
        """Begin empty.

        Args:
            holding: Where the bytes are accounted for; closed with the backlog.
            pool: Whose threads write and read the file.
        """
        self._holding = holding
        self._pool = pool
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0
        self._file: _File | None = None
        self._written = self._read = 0
        """Places in the file."""
        self._writing = False
        self._ended = False
        self._held = False
        self._changed = asyncio.Event()
        self.put_bytes = 0
        """How many bytes were put."""
        self._got_bytes = 0
        self._got = asyncio.Event()
        self.whole_bytes: int | None = None
        """How many bytes there are in all, once `lead` was called; None before."""

    async def put(self, data: bytes) -> None:
        """Add *data*; does not wait for the reader.

        Raises:
            ServerFullError: All requests together hold as much as they may.
            DiskFullError: The disk has no room.
        """
        if not data:
            return
        self.put_bytes += len(data)
        fits = not self._spilled and self._memory_bytes + len(data) <= MEMORY_BYTES
        if fits and self._holding.room(len(data)):
            self._memory.append(data)
            self._memory_bytes += len(data)
        else:
            await self._spill(data)
        self._changed.set()

    def hold(self) -> None:
        """Have the reader wait for `lead`; before anything is put."""
        self._held = True

    def lead(self, data: bytes) -> None:
        """Put *data*, some kilobytes, before all that was put, and let the reader go on: that is all."""
        self._holding.room(len(data))  # if there is none, they are there all the same
        self._memory.appendleft(data)
        self._memory_bytes += len(data)
        self.put_bytes += len(data)
        self.whole_bytes = self.put_bytes
        self._held = False
        self._changed.set()

    def end(self) -> None:
        """Note that no more bytes will come."""
        self._ended = True
        self._changed.set()

    async def get(self) -> bytes | None:
        """Return the next bytes, at most `PIECE_BYTES`; None at the end."""
        while self._held or (not self._memory and not self._spilled):
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        data = self._from_memory() if self._memory else await self._from_file()
        self._got_bytes += len(data)
        self._got.set()
        return data

    async def taken(self, place: int) -> None:
        """Wait until the reader has got the first *place* bytes."""
        while self._got_bytes < place:
            self._got.clear()
            await self._got.wait()

    def close(self) -> None:
        """Drop the bytes that wait; put and take nothing afterwards."""
        self.end()
        self._memory.clear()
        if self._file is not None:
            self._file.close()
        self._holding.close()

    @property
    def _spilled(self) -> bool:
        return self._written > self._read

    def _from_memory(self) -> bytes:
        data = self._memory.popleft()
        if len(data) > PIECE_BYTES:
            data, rest = data[:PIECE_BYTES], data[PIECE_BYTES:]
            self._memory.appendleft(rest)
        self._memory_bytes -= len(data)
        self._holding.free("memory", len(data))
        return data

    async def _spill(self, data: bytes) -> None:
        self._holding.take("disk", len(data))
        self._writing = True
        try:
            self._file = self._file or _File()
            await self._pool.run(self._file.write, data, self._written)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            log.error("disk is full", temporary=tempfile.gettempdir())
            raise DiskFullError from error
        finally:
            self._writing = False
        self._written += len(data)

    async def _from_file(self) -> bytes:
        assert self._file is not None  # noqa: S101  # something was written to it
        size = min(PIECE_BYTES, self._written - self._read)
        data = await self._pool.run(self._file.read, size, self._read)
        self._read += len(data)
        if not self._spilled and not self._writing:
            self._file.clear()
            self._holding.free("disk", self._written)
            self._written = self._read = 0
        return data


class _File:
    """A temporary file that threads write and read; closing it waits for them."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed by `close`
        self._lock = threading.Lock()

    def write(self, data: bytes, place: int) -> None:
        rest = memoryview(data)
        with self._lock:
            while rest and not self._file.closed:
                count = os.pwrite(self._file.fileno(), rest, place)
                rest, place = rest[count:], place + count

    def read(self, size: int, place: int) -> bytes:
        with self._lock:
            return b"" if self._file.closed else os.pread(self._file.fileno(), size, place)

    def clear(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.truncate(0)

    def close(self) -> None:
        with self._lock:
            self._file.close()

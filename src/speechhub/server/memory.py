"""Freed memory of the hub's process: some is kept for the next request, the rest returned to the system."""

import asyncio
import contextlib
import ctypes
import gc
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import structlog

from speechhub.heap import map_large_blocks, tune
from speechhub.pools import Pool

log = structlog.get_logger()

KEPT_BYTES: Final = 16 * 1024**2
"""Freed memory that the process keeps at the end of a heap."""
MARK_BYTES: Final = 64 * 1024**2
"""Freed memory, beyond what the process had at its start, that is returned once the process is idle."""
BUSY_MARKS: Final = 4
"""Factor on that limit while requests run: an attack frees that much, normal work does not."""
LOOK_S: Final = 5.0
"""Time between two checks, each of which takes a few microseconds."""

# Source: malloc.h of glibc.
_M_TRIM_THRESHOLD: Final = -1
_M_ARENA_MAX: Final = -8


def keep_freed_memory() -> None:
    """Make glibc keep the memory that one request freed for the next; no effect with other C libraries.

    By default it returns the buffers of a 30 s clip to the kernel, which then has to provide 500 empty pages
    again for the next clip: a millisecond. It also gives each thread its own heap, so that memory freed in
    one thread cannot be used by another: twelve clients with MP3 took the hub from 127 to 134 MB over 7000
    requests, still growing; with one heap it stayed at 122 MB, at the same speed.
    """
    tune(_M_ARENA_MAX, 1)
    map_large_blocks()
    tune(_M_TRIM_THRESHOLD, KEPT_BYTES)


class _Heap(ctypes.Structure):
    """What glibc reports about its heap, in bytes. Source: mallinfo2(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


class FreedMemory:
    """Freed memory that the process still holds; one instance per process.

    By default glibc returns only memory at the end of the heap, and freed memory is usually followed by
    memory in use: after 600 MB of unread speech, 600 MB stayed.
    """

    def __init__(self, libc: Any = None) -> None:
        """Take the unused memory that the process holds now as needed.

        Args:
            libc: The C library; by default this process's. Without `mallinfo2`, nothing is done.
        """
        self._libc = libc if libc is not None else ctypes.CDLL(None)
        self._needed_bytes: int | None = None
        with contextlib.suppress(AttributeError, OSError):  # another C library, or another system
            self._libc.mallinfo2.restype = _Heap
            self._needed_bytes = self._unused()

    def surplus(self) -> int:
        """Return how much memory the process holds beyond what it uses and needs, in bytes."""
        if self._needed_bytes is None:
            return 0
        unused = self._unused()
        self._needed_bytes = min(self._needed_bytes, unused)
        return unused - self._needed_bytes

    def give_back(self) -> int:
        """Return the surplus to the system; return its size in bytes. Takes a tenth of a second per GB."""
        if self._needed_bytes is None:
            return 0
        before = self._unused()
        self._libc.malloc_trim(0)
        self._needed_bytes = self._unused()  # the rest is needed, or is Python's own
        return before - self._needed_bytes

    def _unused(self) -> int:
        heap = self._libc.mallinfo2()
        return _resident_bytes() - int(heap.uordblks) - int(heap.hblkhd)


@contextlib.asynccontextmanager
async def freed_memory_given_back(pool: Pool, *, busy: Callable[[], bool]) -> AsyncIterator[None]:
    """Within the block, return freed memory to the system when there is much of it.

    Args:
        pool: Pool whose thread does it.
        busy: Returns whether requests are running; the limit is then higher.
    """
    task = asyncio.create_task(_watch(FreedMemory(), pool, busy))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(freed: FreedMemory, pool: Pool, busy: Callable[[], bool]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        if freed.surplus() > MARK_BYTES * (BUSY_MARKS if busy() else 1):
            given = await pool.run(freed.give_back)
            log.info("freed memory given back to the system", megabytes=round(given / 1e6))


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def startup_kept() -> None:
    """Exclude all objects that exist now from garbage collection.

    They live as long as the process, and each full collection blocked the event loop for 40 ms to check them.
    """
    gc.collect()
    gc.freeze()

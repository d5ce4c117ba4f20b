"""Heap of this process: from which size on glibc takes blocks from the kernel, and returns them to it."""

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from typing import Final

MAPPED_FROM_BYTES: Final = 4 * 1024**2
"""Size of such blocks in the hub: mostly parts of long recordings. Smaller ones stay for the next request."""
LONG_LIVED_FROM_BYTES: Final = 128 * 1024
"""The same within `long_lived`."""

_M_MMAP_THRESHOLD: Final = -3
"""Source: malloc.h of glibc."""
_ALONE: Final = threading.Lock()


def tune(option: int, value: int) -> None:
    """Set an option of glibc's allocator; no effect with other C libraries.

    Source: mallopt(3).
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library, or Windows
        ctypes.CDLL(None).mallopt(option, value)


def map_large_blocks() -> None:
    """Take blocks of `MAPPED_FROM_BYTES` and more directly from the kernel."""
    tune(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)


@contextlib.contextmanager
def long_lived() -> Iterator[None]:
    """Within the block, take even blocks of 128 KiB directly from the kernel.

    For objects of native libraries that live long and hold a few MB: in the heap, each leaves a hole that the
    next one, because of its alignment, often does not fit into. After 32 voice detectors came and went twice,
    the process held 275 MB instead of 66 MB.
    """
    with _ALONE:
        tune(_M_MMAP_THRESHOLD, LONG_LIVED_FROM_BYTES)
        try:
            yield
        finally:
            map_large_blocks()

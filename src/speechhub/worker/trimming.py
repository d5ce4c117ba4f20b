"""Returns freed memory to the kernel: weights that waited in memory were in many small pieces.

Standard library only: it runs in the worker.
"""

import contextlib
import ctypes


def trim() -> None:
    """Make glibc return freed memory to the kernel; other C libraries do it by themselves."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)

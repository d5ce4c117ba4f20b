"""Memory that was freed, given back to the kernel: weights that waited were in many small pieces.

Standard library only: it runs in the worker.
"""

import contextlib
import ctypes


def trim() -> None:
    """Have the C library give back what it keeps; glibc's can, others do it by themselves."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)

"""Locks between processes and threads: the kernel frees one when its holder dies, however it dies.

Standard library only: `scripts/_install.py` imports it from the checkout, before anything is installed.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FIRST_LOOK_S: Final = 0.01
"""Pause before the second attempt; each further pause is half as long again."""
LONGEST_LOOK_S: Final = 0.5
"""Longest pause between two attempts."""
_NEVER: Final = threading.Event()


class LockTakenError(OSError):
    """Another process has held the lock for as long as the caller was willing to wait."""


@contextmanager
def file_lock(
    path: Path, *, limit_s: float, on_wait: Callable[[], None] = lambda: None, mode: int = 0o644
) -> Iterator[int]:
    """Hold the lock of the file *path*, which is created if it is missing; yields its descriptor.

    A process that inherits the descriptor holds the lock, too.

    Args:
        path: Its folder exists; a link is not followed.
        limit_s: How long to wait while others hold it, in seconds; 0 tries once.
        on_wait: Called once if others hold it.
        mode: Rights of a new file.

    Raises:
        LockTakenError: Others have held it for *limit_s*.
        OSError: The file cannot be opened, or its file system has no locks.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, mode)
    try:
        acquire(descriptor, limit_s=limit_s, on_wait=on_wait)
        yield descriptor
    finally:
        os.close(descriptor)


def acquire(descriptor: int, *, limit_s: float, on_wait: Callable[[], None] = lambda: None) -> None:
    """Take the lock of an open file or folder; closing the descriptor gives it back.

    Raises:
        LockTakenError: Others have held it for *limit_s* seconds.
        OSError: Its file system has no locks.
    """
    until, pause_s, waits = time.monotonic() + limit_s, FIRST_LOOK_S, False
    while True:  # the kernel's own wait has no limit
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise LockTakenError(
                    error.errno, f"another process has held the lock for {limit_s:g} s"
                ) from None
            if not waits:
                on_wait()
                waits = True
            _NEVER.wait(pause_s)  # time.sleep fails under libfaketime, which the chaos run uses
            pause_s = min(pause_s * 1.5, LONGEST_LOOK_S)
        else:
            return

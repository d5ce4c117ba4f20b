"""A time limit for an engine's code, which may hang in Python or in native code."""

import faulthandler
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

LIMIT_S: Final = 600.0
"""How long each check may take. Source: the default of ``request_timeout_s``, which bounds each answer."""
GRACE_S: Final = 30.0
"""How much later the process is ended, where native code does not let Python interrupt it."""


class OverdueError(BaseException):
    """The time limit was reached; no ``except Exception`` of an engine catches this."""


@contextmanager
def limited(limit_s: float) -> Iterator[None]:
    """Interrupt the block when it takes longer than *limit_s*.

    The interruption works like Ctrl-C, and native code can ignore it: `GRACE_S` later the process ends with
    SIGABRT, and prints the stacks of its threads on standard error, where pytest and others show them. There
    is no limit outside of the main thread, nor where a timer already runs, such as pytest-timeout's.

    Raises:
        OverdueError: The block took longer.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return
    overdue = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal overdue
        overdue = True
        raise OverdueError

    before = signal.signal(signal.SIGALRM, interrupt)
    watchdog = threading.Timer(limit_s + GRACE_S, _abort)
    watchdog.daemon = True
    watchdog.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
        watchdog.cancel()
    if overdue:  # and a bare `except:` has swallowed it
        raise OverdueError


def _abort() -> None:
    """End the process and show where its threads are."""
    sys.stderr.write("\nThe engine hangs in native code, which cannot be interrupted: ending the process.\n")
    sys.stderr.flush()
    if not faulthandler.is_enabled():
        faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # gigabytes of a model, for nothing
    os.abort()

"""Signals during an installation: they unwind the stack, but wait while a process is being started.

Standard library only: `scripts/_install.py` imports it from the checkout, before anything is installed.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, as Ctrl-C does, so that nothing half-made is left."""

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    heeded = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Deliver signals that arrive in the block at its end, when the caller knows the process that it started.

    Ctrl-C in that moment left an installer behind that held the environment's lock.
    """
    came: list[int] = []
    ours = (
        {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        if threading.current_thread() is threading.main_thread()
        else {}
    )
    waiting = {number: handler for number, handler in ours.items() if callable(handler)}
    for number in waiting:
        signal.signal(number, lambda arrived, _frame: came.append(arrived))
    try:
        yield
    finally:
        for number, handler in waiting.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)

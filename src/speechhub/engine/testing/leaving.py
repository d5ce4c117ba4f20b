"""Calls that are cancelled while they work, and how long they take to end."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

from speechhub.engine.testing.promise import promise
from speechhub.errors import RequestCancelledError

CANCEL_S = 5.0
"""How long a call may go on after it was cancelled, in seconds. The manager ends a process
that takes longer. Source: its ``cancel_grace_s``."""
MOMENTS_S: Final = (0.05, 0.5)
"""When to cancel, in seconds after the beginning: while the audio is prepared, and while the model works."""


def expect_prompt_end(work: Callable[[threading.Event], object], what: str) -> None:
    """Cancel some work while it runs, in another thread as the host does, and see how soon it ends.

    Work that ends before it is cancelled passes: a short call need not look.

    Raises:
        AssertionError: It took too long to end.
    """
    for moment_s in MOMENTS_S:
        cancelled, began_s = threading.Event(), time.monotonic()
        timer = threading.Timer(moment_s, cancelled.set)
        timer.daemon = True
        timer.start()
        with contextlib.suppress(RequestCancelledError):
            work(cancelled)
        took_s = time.monotonic() - began_s - moment_s if cancelled.is_set() else 0.0
        timer.cancel()
        promise(
            took_s <= CANCEL_S,
            f"{what} went on for {took_s:.1f} s after it was cancelled, and the host ends the process of an "
            f"engine that takes more than {CANCEL_S:g} s: look at call.cancelled between smaller steps, or "
            "do the work in a thread that a cancelled call need not wait for.",
        )

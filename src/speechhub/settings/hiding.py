"""Hides a process that holds secrets from the other processes of its user."""

import ctypes
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def hide_process() -> None:
    """Keep other processes of the same user from looking into this one; processes of root still can.

    Without this, every process of the user can read its memory, environment and open files below ``/proc``:
    workers too, although their own environments are cleared of secrets. The price is that debuggers and
    profilers need root, and that a crash leaves no core dump. Only Linux supports this.

    Source: prctl(2), PR_SET_DUMPABLE; proc_pid_environ(5).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # fails on systems that only emulate Linux

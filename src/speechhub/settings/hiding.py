"""Hides a process that knows secrets from the other processes of its user."""

import ctypes
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def hide_process() -> None:
    """Keep other processes of the same user from looking into this one; what runs as root still can.

    Its memory, its environment and its open files are all below ``/proc``, for every process of the user, and
    so for workers, whose own environments are cleared of secrets. The price is that debuggers and profilers
    need root, and that a crash leaves no core dump. Only Linux can do it.

    Source: prctl(2), PR_SET_DUMPABLE; proc_pid_environ(5).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # fails on systems that only emulate Linux

"""Keeps the command's signals from Ray's processes: the command waits, and a child of its own runs Ray.

Ctrl-C and ``timeout`` signal the whole process group. Ray's processes are in the group of the process that
starts them, and would end at once, with the requests that run.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""Source: linux/prctl.h."""
ENDS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def run_apart() -> None:
    """Return in a child that leads a process group; the caller passes `ENDS` on to it, and ends with it.

    What is left of the group then is killed. If the caller dies, the child gets SIGTERM. Call this before any
    thread exists.
    """
    caller = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDS, signal.SIGCHLD})
    child = os.fork()
    if child:
        _wait_for(child)
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != caller:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for(child: int) -> None:
    """Pass signals on to *child* until it has ended; exit with its status."""
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if (told := signal.sigwait({*ENDS, signal.SIGCHLD})) in ENDS:
            os.kill(child, told)
    with suppress(ProcessLookupError, PermissionError):  # it is not reaped: no other group has its number
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)

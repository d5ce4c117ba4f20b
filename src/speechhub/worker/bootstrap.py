"""First code of a worker: ties its life to the hub's, then runs the hub's own `speechhub.worker.child`.

It is a script, run by its path with any Python 3.11 or newer that has numpy. The environment needs no
speechhub of its own: this file puts the copy that it belongs to into `sys.modules`, so that hub and worker
always have the same version, and nothing else of the hub's environment can be imported.

Standard library only.
"""

import argparse
import ctypes
import fcntl
import importlib
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""Source: linux/prctl.h, as the next."""
PR_SET_NO_NEW_PRIVS = 38


def die_with_parent(parent: int, lifeline: int) -> None:
    """Make the kernel kill this process, and everything that it starts, when the hub ends.

    This works even while native code holds the interpreter, when the reader thread, which would see the end
    of file on the control socket, cannot run.

    Args:
        parent: Process id of the hub.
        lifeline: Read end of a pipe whose only write end the hub holds; nothing is ever written to it.
    """
    os.set_inheritable(lifeline, False)  # noqa: FBT003  # takes no keywords
    try:
        # When the write end closes, the kernel signals the owner, here the whole process group.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        # Second best, for kernels that emulate Linux. Not both: PDEATHSIG reaches only one process, and is
        # sent when the hub's *thread* that started us ends. If that happens before the pipe closes, this
        # process is gone, with it the signal from the pipe, and the processes that it started live on.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The hub ended before we asked, so no signal would come.
        sys.exit(f"worker: process {parent} is not my parent")


def close_all_but(kept: Iterable[int]) -> None:
    """Close all inherited descriptors except standard input, output and error, and those in *kept*.

    uvloop passes on every inheritable descriptor, including copies of the hub's own standard streams.
    """
    first = 3
    for fd in sorted(fd for fd in kept if fd >= first):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def give_up_rights() -> None:
    """Limit this process, with all its threads, to what an engine needs.

    Processes that it starts get no additional rights (setuid programs), only its user can read the files that
    it creates, and a crash writes no memory to disk, since that may contain users' text.
    """
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # fails on systems that only emulate Linux
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def preload_hub_package(folder: Path) -> None:
    """Import the package `speechhub` from *folder*, whatever other copies are on the path."""
    spec = importlib.util.spec_from_file_location(
        "speechhub", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        sys.exit(f"worker: {folder} is not the speechhub package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["speechhub"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Read the command line that the host wrote, and become a worker."""
    parser = argparse.ArgumentParser(description="A speechhub worker; started by the hub, not by people.")
    parser.add_argument("--fd", type=int, required=True, help="control socket")
    parser.add_argument("--lifeline", type=int, required=True, help="pipe that closes when the hub ends")
    parser.add_argument("--parent", type=int, required=True, help="process id of the hub")
    parser.add_argument("--epoch", type=int, required=True, help="number of this worker")
    parser.add_argument("--debug", action="store_true", help="send tracebacks, which can hold user text")
    args = parser.parse_args()

    # The hub handles Ctrl-C; it stops its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    close_all_but([args.fd, args.lifeline])
    die_with_parent(args.parent, args.lifeline)
    give_up_rights()
    preload_hub_package(Path(__file__).resolve().parent.parent)
    child = importlib.import_module("speechhub.worker.child")
    child.main(fd=args.fd, epoch=args.epoch, debug=args.debug)


if __name__ == "__main__":
    main()

"""First code of a worker: tie its life to the hub's, then run the hub's own `speechhub.worker.child`.

A script, run by its path with any Python from 3.11 on that has numpy, in any environment, which needs no
speechhub of its own: this file puts the copy that it lies in into `sys.modules`, so that hub and worker can
never be two versions, and nothing else of the hub's environment becomes importable.

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

    It works while native code holds the interpreter, when the reader thread, which would see the end of file
    on the control socket, cannot run.

    Args:
        parent: Process id of the hub.
        lifeline: Read end of a pipe whose only write end is the hub's; nothing is ever written to it.
    """
    os.set_inheritable(lifeline, False)  # noqa: FBT003  # takes no keywords
    try:
        # When the write end closes, the kernel signals the owner, here the whole process group.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        # Second best, for kernels that emulate Linux. Not both: PDEATHSIG is for one process, and comes when
        # the hub's *thread* ends that started us. If that is before the pipe closes, this process is gone
        # with its claim on the pipe, and what it started lives on.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The hub ended before we asked: nothing would tell us any more.
        sys.exit(f"worker: process {parent} is not my parent")


def close_all_but(kept: Iterable[int]) -> None:
    """Close what was inherited beside standard input, output and errors and *kept*.

    uvloop hands on whatever is inheritable, copies of the hub's own standard streams among it.
    """
    first = 3
    for fd in sorted(fd for fd in kept if fd >= first):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def give_up_rights() -> None:
    """Keep what this process can do, and what it leaves behind, to what an engine needs; for all its threads.

    Nothing that it starts gets more rights than it has (setuid programs), files that it makes are its user's
    alone, and no memory with somebody's words in it is written to disk when it crashes.
    """
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # fails on systems that only emulate Linux
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def preload_hub_package(folder: Path) -> None:
    """Import the package `speechhub` from *folder*, and from nowhere else, whatever is on the path."""
    spec = importlib.util.spec_from_file_location(
        "speechhub", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        sys.exit(f"worker: {folder} is not the speechhub package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["speechhub"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Read the command line that the host writes, and become a worker."""
    parser = argparse.ArgumentParser(description="A speechhub worker; started by the hub, not by people.")
    parser.add_argument("--fd", type=int, required=True, help="control socket")
    parser.add_argument("--lifeline", type=int, required=True, help="pipe that closes when the hub ends")
    parser.add_argument("--parent", type=int, required=True, help="process id of the hub")
    parser.add_argument("--epoch", type=int, required=True, help="number of this worker")
    parser.add_argument("--debug", action="store_true", help="send tracebacks, which can hold user text")
    args = parser.parse_args()

    # Ctrl-C is the hub's to handle; it stops its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    close_all_but([args.fd, args.lifeline])
    die_with_parent(args.parent, args.lifeline)
    give_up_rights()
    preload_hub_package(Path(__file__).resolve().parent.parent)
    child = importlib.import_module("speechhub.worker.child")
    child.main(fd=args.fd, epoch=args.epoch, debug=args.debug)


if __name__ == "__main__":
    main()

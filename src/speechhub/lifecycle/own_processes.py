"""Processes of a worker as this system shows them: their ids in all namespaces, and whether any is left."""

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

_PROC = Path("/proc")


def own_ids(pid: int, listed: Collection[int], proc: Path = _PROC) -> frozenset[int]:
    """Return the ids of the worker *pid* and of what it started, as far as they are among *listed*.

    A driver lists processes by their ids in its own namespace, the host's. If this system gives a process
    several ids, each of them counts.

    Args:
        pid: The worker's process, which leads a group of its own.
        listed: Ids that the driver shows.
        proc: Where the system shows its processes.
    """
    known = {pid, *_namespace_ids(pid, proc)}
    return frozenset(p for p in listed if p in known or _group(p) == pid)


def any_left(pid: int) -> bool:
    """Return whether the process *pid*, or one of its group, still exists."""
    return _exists(os.kill, pid) or _exists(os.killpg, pid)


def uptime_s() -> float:
    """Return the seconds since the system started, as start times of processes count them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def has_begun_after(pid: int, moment: float, proc: Path = _PROC) -> bool:
    """Return whether a process *pid* exists that began after *moment*: then the id was given to a new one.

    An id is not given to a new process while a process group of that id has members, so nothing of the former
    group is left either. Source: proc_pid_stat(5), starttime; setpgid(2).

    Args:
        pid: Its id.
        moment: A time of `uptime_s`.
        proc: Where the system shows its processes.
    """
    try:
        words = (proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return int(words[19]) / os.sysconf("SC_CLK_TCK") > moment
    except (OSError, ValueError, IndexError):
        return False


def _namespace_ids(pid: int, proc: Path) -> tuple[int, ...]:
    """Return the ids of a process from the namespace of *proc* inwards. Source: proc_pid_status(5), NSpid."""
    try:
        text = (proc / str(pid) / "status").read_text("utf-8", "replace")
    except OSError:
        return ()
    for line in text.splitlines():
        if line.startswith("NSpid:"):
            return tuple(int(word) for word in line.split()[1:] if word.isdigit())
    return ()


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _exists(send: Callable[[int, int], None], pid: int) -> bool:
    try:
        send(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's; ours cannot change their user
        return False
    return True

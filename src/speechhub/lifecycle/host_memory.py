"""Memory that this machine, or the container around the hub, has to spare."""

from pathlib import Path
from typing import Final

_ROOT: Final = Path("/")
_LIMITS: Final = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Files of control groups, version 2 and version 1. Source: the kernel's cgroup-v2.rst and memory.rst."""


def available_bytes(root: Path = _ROOT) -> int:
    """Return how much can be taken before the kernel swaps, or kills: the least that any limit leaves.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    return min([_machine(root), *_groups(root)])


def _machine(root: Path) -> int:
    for line in (root / "proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return 0


def _groups(root: Path) -> list[int]:
    """Return what our control group and those around it leave; empty where none has a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / "sys/fs/cgroup" / controllers
        # In a container the path can be the host's, and what is mounted at the top our own group.
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents):
            left += _left(group)
            if group == top:
                break
    return left


def _left(group: Path) -> list[int]:
    for limit_name, used_name in _LIMITS:
        try:
            limit = (group / limit_name).read_text().strip()
            used = int((group / used_name).read_text())
            cache = _field(group / "memory.stat", "inactive_file")
        except (OSError, ValueError):
            continue
        if limit != "max":
            return [max(int(limit) - used + cache, 0)]
    return []


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0

"""Decides from looks at a GPU whether it has its memory back. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

TOLERANCE_BYTES: Final = 64 * 1024**2
"""Drivers' own use of a GPU swings by some megabytes."""
UNTOLD_BYTES: Final = 2 * TOLERANCE_BYTES
"""How much a process may take beyond what the driver reports for it."""
_MB: Final = 1024**2


class Look(Protocol):
    """A GPU at one moment; `speechhub.gpu.GpuSample` is one."""

    @property
    def used_bytes(self) -> int:
        """Memory that is in use, by any process."""
        ...

    @property
    def free_bytes(self) -> int:
        """Free memory of the GPU."""
        ...

    @property
    def processes(self) -> Mapping[int, int | None] | None:
        """Process id → bytes, None where the driver does not report them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One of this hub's engines on a GPU, as the driver shows it."""

    pid: int
    """Its process id in this system."""
    shown: frozenset[int] = frozenset()
    """The ids of this process in the driver's list; in a container they may be the host's."""
    certain: bool = True
    """Whether `shown` are its own ids; otherwise they are all that appeared while it loaded."""
    seen_at: float = math.inf
    """When it was last seen, in seconds since the system started; later processes are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is known about the memory that a model takes; None is unknown."""

    measured_bytes: int | None = None
    """What it took when it was last loaded."""
    described_bytes: int | None = None
    """What its spec says."""

    def best_bytes(self, baseline: Look) -> int:
        """Return the best known figure, on a GPU that is like *baseline* without engines; 0 without one."""
        if self.measured_bytes is not None:
            return self.measured_bytes
        return self.believable_bytes(baseline) or 0

    def believable_bytes(self, baseline: Look) -> int | None:
        """Return what the spec says; None where that is more than the GPU has free without engines.

        Such a figure belongs to another way of running the model than the one that fits here.
        """
        told = self.described_bytes
        return told if told is not None and told <= baseline.free_bytes else None


def resident_of(pid: int, look: Look, before: Look | None, own: Collection[int]) -> Resident:
    """Return how the driver shows the engine of process *pid*, which has just loaded its model.

    Args:
        pid: Its process.
        look: The GPU now.
        before: The GPU just before it loaded; None if that is not known.
        own: Ids that are certainly its own: those of its processes, in every namespace.
    """
    listed = set(look.processes or ())
    if certain := listed & set(own):
        return Resident(pid=pid, shown=frozenset(certain))
    new = listed - set((before.processes if before else None) or ())
    return Resident(pid=pid, shown=frozenset(new), certain=False)


def taken_bytes(look: Look, before: Look, resident: Resident, most_bytes: int | None) -> int:
    """Return how much memory an engine takes that has just loaded its model.

    Args:
        look: The GPU now.
        before: The GPU just before it loaded.
        resident: The engine.
        most_bytes: What its spec says; it bounds a difference that may include memory of other programs.
    """
    now, then = _unexplained(look, but=resident.shown), _unexplained(before)
    if resident.shown and now is not None and then is not None:
        taken = max(now - then, 0)
    else:
        taken = max(look.used_bytes - before.used_bytes, 0)
    if (own_bytes := told_bytes(look, resident)) is not None:
        most_bytes = max(own_bytes, own_bytes + UNTOLD_BYTES if most_bytes is None else most_bytes)
        return min(max(taken, own_bytes), most_bytes)
    return taken if most_bytes is None else min(taken, most_bytes)


def told_bytes(look: Look, resident: Resident) -> int | None:
    """Return how much memory the driver reports for an engine; None if it is unknown or uncertain.

    It bounds a difference of two looks, which may include a process of another program that one of them does
    not show.
    """
    if not (resident.certain and resident.shown):
        return None
    sizes = [(look.processes or {}).get(pid) for pid in resident.shown]
    told = [size for size in sizes if size is not None]
    return sum(told) if len(told) == len(sizes) else None


def is_free(look: Look, baseline: Look, resident: Resident | None, need_bytes: int) -> bool:
    """Return whether a GPU has its memory back for certain.

    Args:
        look: The GPU now.
        baseline: The same without our engines.
        resident: The engine that left; None if it is not known.
        need_bytes: What must be free.
    """
    shown = resident.shown if resident else frozenset()
    if look.free_bytes < need_bytes or not shown.isdisjoint(look.processes or ()):
        return False
    now, before = _unexplained(look), _unexplained(baseline)
    if shown and now is not None and before is not None:
        # Other programs may come and grow; they do not hold what was ours.
        return now <= before + TOLERANCE_BYTES
    return look.used_bytes <= baseline.used_bytes + TOLERANCE_BYTES


def strangers(look: Look, baseline: Look) -> str:
    """Name the processes that appeared or grew since *baseline*, with what they hold."""
    known = baseline.processes or {}
    found = [
        f"process {pid} ({_megabytes(known[pid])} before, {_megabytes(size)} now)"
        if pid in known
        else f"process {pid} (new, {_megabytes(size)})"
        for pid, size in sorted((look.processes or {}).items())
        if pid not in known or size is None or size > (known[pid] or 0)
    ]
    return ", ".join(found) or "none reported by the driver"


def complaint(device: str, look: Look | None, baseline: Look, resident: Resident | None, need: int) -> str:
    """Say why nothing can be loaded on *device*, and which processes hold its memory."""
    if look is None:
        return f"The driver of {device} does not answer, so nothing can be loaded there; see nvidia-smi."
    ours = resident.shown if resident and resident.certain else frozenset()
    holders = _holders(look, ours)
    held = f"Held by {holders}." if holders else "No process reported by the driver holds it."
    return (
        f"The memory of {device} is not free: {look.used_bytes / _MB:.0f} MB are used, "
        f"{baseline.used_bytes / _MB:.0f} MB were without engines; {look.free_bytes / _MB:.0f} MB are free, "
        f"{need / _MB:.0f} MB are needed. {held}"
    )


def _holders(look: Look, ours: Collection[int]) -> str:
    return ", ".join(_holder(pid, size, pid in ours) for pid, size in _items(look))


def _items(look: Look) -> Iterable[tuple[int, int | None]]:
    return sorted((look.processes or {}).items())


def _holder(pid: int, size: int | None, ours: bool) -> str:
    return f"process {pid} ({_megabytes(size)}{', ours, which has ended and is still there' if ours else ''})"


def _megabytes(size: int | None) -> str:
    return f"{'?' if size is None else round(size / _MB)} MB"


def _unexplained(look: Look, *, but: Collection[int] = ()) -> int | None:
    """Return how much belongs to no shown process, *but* these; None if the driver does not report it."""
    if look.processes is None:
        return None
    sizes = {pid: size for pid, size in look.processes.items() if pid not in but}
    told = [size for size in sizes.values() if size is not None]
    return look.used_bytes - sum(told) if len(told) == len(sizes) else None

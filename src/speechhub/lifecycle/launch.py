"""Options with which a manager launches its workers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from speechhub.engine import Slot
from speechhub.lifecycle.standby import Mode
from speechhub.placement import Placement
from speechhub.pools import Pools
from speechhub.worker.host import Worker


class WorkerStarter(Protocol):
    """Starts the process of a worker; `start_worker` in production."""

    async def __call__(self, placement: Placement, epoch: int) -> Worker:
        """Return a worker that has shaken hands and loaded nothing yet."""
        ...


async def start_worker(
    placement: Placement, epoch: int, *, heartbeat_timeout_s: float = 30.0, debug: bool = False
) -> Worker:
    """Start a worker in the environment of the placement's engine; see `Worker.start`."""
    return await Worker.start(
        placement.engine.spec,
        epoch=epoch,
        python=placement.engine.python,
        heartbeat_timeout_s=heartbeat_timeout_s,
        debug=debug,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How workers start, what they are given, and how they end; one for each manager."""

    fetch: Callable[[Placement], Path | None]
    """Blocking; returns the folder with a model's files, or None if it has none; raises what prevents it from
    being loaded."""
    starter: WorkerStarter = start_worker
    cache_dir: Callable[[Placement], Path | None] = lambda _: None
    """Blocking; returns where a model may keep what it computes from references."""
    work_dir: Callable[[Placement], Path | None] = lambda _: None
    """Blocking; returns where a model's engine may keep what it builds once."""
    may_load: Callable[[Placement], bool] = lambda _: True
    """Whether the operator lets a model be loaded; others never stand by."""
    defaults: Mapping[Slot, str | None] = field(default_factory=dict)
    """The default model of each slot: likely the next one on a device where no other was used yet."""
    standby: Mode = "off"
    """Whether the worker that is likely next on an exclusive device stands by; see `Standbys`."""
    threads: int = 0
    """CPU threads for each engine; 0 leaves the number to the engine."""
    stop_timeout_s: float = 2.0
    """How long a worker may take to stop when asked."""
    pools: Pools = field(default_factory=Pools)
    """The threads that everything blocking runs in."""

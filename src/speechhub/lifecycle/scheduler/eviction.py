"""Memory of a device: which engines fit beside each other, and which are evicted. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from speechhub.lifecycle.scheduler.states import Phase
from speechhub.placement import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentEngine:
    """An engine that has a worker, as eviction sees it."""

    phase: Phase
    busy: bool
    idle_since: float
    """When its last work ended, or it became ready, in seconds of the scheduler's clock."""
    oldest_waiting: int | None
    """Smallest order number among the tickets that wait for it; None if none waits."""
    memory_bytes: int


def has_room(needs_bytes: int, engines: Collection[ResidentEngine], device: Device) -> bool:
    """Return whether an engine that takes *needs_bytes* may start beside *engines* on *device*.

    An exclusive device holds one engine; a shared one as many as its memory allows, but always one.
    """
    if not engines:
        return True
    if device.exclusive:
        return False
    return (
        device.memory_bytes == 0
        or sum(engine.memory_bytes for engine in engines) + needs_bytes <= device.memory_bytes
    )


def victims_for(
    order: int, needs_bytes: int, engines: Mapping[str, ResidentEngine], device: Device
) -> Sequence[str]:
    """Return which engines must stop to make room for a new one.

    Args:
        order: Order number of the oldest ticket that waits for the new engine.
        needs_bytes: Memory of the new engine.
        engines: Engines with a worker on *device*, by model.
        device: Where the new engine is to run.

    Returns:
        Models, least recently used first. Empty where engines that are stopping already free enough, and
        where stopping all that may be stopped would not: no engine is stopped without need.
    """
    leaving = (Phase.DRAINING, Phase.STOPPING, Phase.VERIFYING)
    staying = {name: engine for name, engine in engines.items() if engine.phase not in leaving}
    victims: list[str] = []
    for name, engine in sorted(engines.items(), key=lambda item: item[1].idle_since):
        if has_room(needs_bytes, staying.values(), device):
            break
        first_come = engine.oldest_waiting is not None and engine.oldest_waiting < order
        if engine.phase is Phase.READY and not engine.busy and not first_come:
            victims.append(name)
            del staying[name]
    return victims if has_room(needs_bytes, staying.values(), device) else ()

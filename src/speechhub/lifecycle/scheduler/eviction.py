"""Who fits beside whom, and who must go so that another one fits. Pure, and asked on every event."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from speechhub.lifecycle.scheduler.states import Phase
from speechhub.placement import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentEngine:
    """What is known here of an engine that has a worker."""

    phase: Phase
    busy: bool
    idle_since: float
    """Time, in seconds of the scheduler's clock, of its last work or of getting ready."""
    oldest_waiting: int | None
    """Smallest order number among the tickets that wait for it; None if nobody waits."""
    memory_bytes: int


def has_room(needs_bytes: int, engines: Collection[ResidentEngine], device: Device) -> bool:
    """Return whether an engine that takes *needs_bytes* may start beside *tenants* on *device*.

    An exclusive device holds one engine; a shared one as many as its memory, but always one.
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
        tenants: Engines with a worker on *device*, by model.
        device: Where the new engine is to run.

    Returns:
        Targets, least recently used first. Empty where enough is on its way out already, and where stopping
        all that may be stopped would not be enough: nobody is stopped in vain.
    """
    leaving = (Phase.DRAINING, Phase.STOPPING, Phase.VERIFYING)
    staying = {name: t for name, t in engines.items() if t.phase not in leaving}
    victims: list[str] = []
    for name, engine in sorted(engines.items(), key=lambda item: item[1].idle_since):
        if has_room(needs_bytes, staying.values(), device):
            break
        first_come = engine.oldest_waiting is not None and engine.oldest_waiting < order
        if engine.phase is Phase.READY and not engine.busy and not first_come:
            victims.append(name)
            del staying[name]
    return victims if has_room(needs_bytes, staying.values(), device) else ()

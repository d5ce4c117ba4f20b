"""The report of a replica to the routers: what its hub has loaded, and how long requests would wait there."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from speechhub.hub import Hub
from speechhub.lifecycle.scheduler.estimates import FIRST_GUESS_S, Mean
from speechhub.lifecycle.scheduler.events import Done, Effect, Event, Grant
from speechhub.lifecycle.scheduler.states import Phase

BEAT_S: Final = 5.0
"""How often a report changes although nothing happens: routers take a replica that is silent for stalled."""


class WorkMeter:
    """Measures how long each model's engine works; observes the manager of one hub."""

    def __init__(self, hub: Hub) -> None:
        models = hub.manager.placements
        self._worked_s = dict.fromkeys(models, 0.0)
        self._call_s = {model: Mean(FIRST_GUESS_S) for model in models}
        self._running: dict[int, tuple[str, float]] = {}
        """First ticket of a call → its model, and when the call began."""
        hub.manager.observe(self._happened)

    def worked_s(self, model: str, now: float) -> float:
        """Return the seconds that the engine has worked since the start, running calls included."""
        running = sum(now - began for name, began in self._running.values() if name == model)
        return self._worked_s[model] + running

    def call_s(self, model: str) -> float:
        """Return the running mean of a call, in seconds; a guess before the first one."""
        return self._call_s[model].value

    def _happened(self, event: Event, effects: Iterable[Effect], now: float) -> None:
        if isinstance(event, Done) and (call := self._running.pop(event.ticket, None)) is not None:
            model, began = call
            self._worked_s[model] += now - began
            if event.finished:
                self._call_s[model].add(now - began)
        for effect in effects:
            if isinstance(effect, Grant):
                self._running[effect.tickets[0]] = (effect.model, now)


def report_of(hub: Hub, meter: WorkMeter, name: str, *, draining: bool) -> dict[str, Any]:
    """Return the report on *hub*; `speechhub_ray.reports` says what its values mean.

    Args:
        hub: Runs in this event loop.
        meter: Observes it.
        name: The replica's.
        draining: Whether the replica is about to end.
    """
    now = asyncio.get_running_loop().time()
    manager, defaults = hub.manager, set(hub.catalog.defaults.values())
    states = {state.model: state for state in manager.states()}
    pinned_on = {manager.placements[model].device.name for model, state in states.items() if state.pinned}
    models = {}
    for model, state in states.items():
        placement = manager.placements[model]
        device = placement.device
        ready = state.phase is Phase.READY
        free = ready or not device.exclusive
        kept_out = device.exclusive and device.name in pinned_on and not state.pinned
        models[model] = {
            "slot": placement.slot.value,
            "default": model in defaults,
            "ready": ready,
            "wait_s": round(manager.wait_s(model), 2),
            "switch_s": 0.0 if free else round(manager.switch_s(device.name), 2),
            "service_s": round(meter.call_s(model), 2),
            "work_s": round(meter.worked_s(model, now), 1),
            "possible": not kept_out and (state.failing_until or now) <= now,
            "exclusive": device.exclusive,
        }
    return {
        "replica": name,
        "models": models,
        "draining": draining,
        "beat": int(time.monotonic() / BEAT_S),
    }

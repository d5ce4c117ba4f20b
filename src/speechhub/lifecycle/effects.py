"""Carries out the scheduler's effects; also stops standby workers and records times of switches."""

from collections.abc import MutableMapping

import structlog

from speechhub.lifecycle.leases import Leases
from speechhub.lifecycle.scheduler.events import (
    Effect,
    Event,
    Exited,
    Fetch,
    Freed,
    Grant,
    Load,
    LoadFailed,
    Move,
    RecycleWanted,
    Refuse,
    Requested,
    Stop,
    Ticked,
    UnloadWanted,
    Verify,
)
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.switches import Cause, Step
from speechhub.lifecycle.workers import Workers
from speechhub.placement import Placement

log = structlog.get_logger()


class EngineEffects:
    """Passes one scheduler's effects on to workers and leases; belongs to a manager."""

    def __init__(
        self,
        scheduler: Scheduler,
        workers: Workers,
        leases: Leases,
        placements: MutableMapping[str, Placement],
    ) -> None:
        self._scheduler = scheduler
        self._workers = workers
        self._leases = leases
        self._placements = placements
        self._drains: dict[str, float] = {}
        """Models that finish their work before they are unloaded → since when."""

    def carry_out(self, effect: Effect, now: float) -> None:
        """Begin to carry out *effect*; see `Effects`."""
        match effect:
            case Grant() | Refuse():
                self._leases.answer(effect)
            case Fetch(model=model):
                self._workers.fetch(model)
            case Load(model=model, epoch=epoch, unasked=unasked):
                cause = Cause(unasked.value) if unasked else self._cause(model)
                self._workers.load(model, epoch, cause)
            case Stop(model=model, epoch=epoch, kill=kill):
                if (began := self._drains.pop(model, None)) is not None:
                    device = self._placements[model].device.name
                    self._workers.switches.left(device, model, Step.DRAIN, began, now)
                self._workers.stop(model, epoch, kill=kill)
            case Verify(model=model, epoch=epoch):
                self._workers.verify(model, epoch, wanted=self._wanted_beside(model))
            case Move(model=model, placement=placement):
                self._move(model, placement)

    def _move(self, model: str, placement: Placement) -> None:
        """Change where a model runs, for everything that reads the placements."""
        before = self._placements[model].device.name
        self._placements[model] = placement
        self._workers.switches.vacant(before)
        if self._workers.standbys.model(before) == model:
            self._workers.standbys.drop(before)
        log.warning(
            "engine falls back to another device",
            model=model,
            engine=placement.engine.spec.name,
            device=placement.device.name,
            before=before,
            reason=placement.device_note,
        )

    def handled(self, event: Event) -> None:
        """Update standby workers and measured times after *event* and its effects; see `Effects`."""
        match event:
            case Exited(model=model) | LoadFailed(model=model) | Freed(model=model):
                self._drains.pop(model, None)
                device = self._placements[model].device.name
                states = self._scheduler.states()
                here = [state for state in states if self._placements[state.model].device.name == device]
                if all(state.phase is None and not state.waiting for state in here):
                    # When a device is empty and no request waits for it, its standby worker is stopped too.
                    self._workers.standbys.drop(device)
                    self._workers.switches.vacant(device)
            case UnloadWanted() | RecycleWanted() | Requested() | Ticked():
                for state in self._scheduler.states():
                    if state.phase is Phase.DRAINING:
                        self._drains.setdefault(state.model, state.since or 0.0)

    def _wanted_beside(self, model: str) -> set[str]:
        """Return the models that requests wait for on the device of *model*."""
        device = self._placements[model].device
        wanted = {request.model for request in self._leases.waiting()}
        return {waited for waited in wanted if self._placements[waited].device.name == device.name}

    def _cause(self, model: str) -> Cause:
        """Return why the model is loaded: for a waiting request, or for an operator."""
        waiting = [request.for_client for request in self._leases.waiting() if request.model == model]
        return Cause.REQUEST if any(waiting) else Cause.OPERATOR

"""The state at one moment, from the events and effects up to it: requests, workers, devices.

The scheduler's own state is richer and changes in place. This one is made from the record alone, so that a
record that was saved can be explained anywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from speechhub.lifecycle.scheduler.events import (
    Cancelled,
    DeviceUnusable,
    Done,
    Effect,
    Event,
    Exited,
    Fetch,
    Fetched,
    FetchFailed,
    Freed,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Move,
    NotFreed,
    RecycleWanted,
    Refuse,
    Requested,
    Stop,
    UnloadWanted,
    Verify,
)
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.placement import Device, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One event, and what the scheduler made of it."""

    at: float
    """Seconds of the scheduler's clock."""
    event: Event
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRequest:
    """A request that was neither granted nor refused yet."""

    model: str
    since: float
    """When the request came, in seconds of the scheduler's clock."""
    keep_warm: bool = False
    """Whether it only wants the engine to be ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWorker:
    """A worker, from its `Load` until its device is free again."""

    epoch: int
    phase: Phase
    since: float
    """When its phase began."""
    running: tuple[int, ...] = ()
    """Requests that use it."""
    problem: str = ""
    """Why the last look did not prove its memory free; empty if none failed."""


@dataclass(slots=True, kw_only=True)
class Situation:
    """The result of a record; each event, and then its effects, take it one step further."""

    placements: dict[str, Placement]
    """Model → where it runs."""
    waiting: dict[int, WaitingRequest] = field(default_factory=dict)
    """Request → what it waits for, in the order in which they will be served."""
    workers: dict[str, RecordedWorker] = field(default_factory=dict)
    """Model → its worker; models without one are left out."""
    fetching: set[str] = field(default_factory=set)
    """Models whose files are being looked for."""

    @classmethod
    def first(cls, placements: Mapping[str, Placement]) -> "Situation":
        """Return the situation before the first event."""
        return cls(placements=dict(placements))

    def copy(self) -> "Situation":
        """Return one that changes by itself."""
        return replace(
            self,
            placements=dict(self.placements),
            waiting=dict(self.waiting),
            workers=dict(self.workers),
            fetching=set(self.fetching),
        )

    # ── Looking ──────────────────────────────────────────────────────────────

    def device_of(self, model: str) -> Device:
        """Return where a model runs."""
        return self.placements[model].device

    def models_on(self, device: str) -> list[str]:
        """Return the models that run on a device."""
        return [model for model, placement in self.placements.items() if placement.device.name == device]

    def model_of(self, request: int) -> str | None:
        """Return the model that a request waits for or uses; None if it is over."""
        if request in self.waiting:
            return self.waiting[request].model
        return next((model for model, worker in self.workers.items() if request in worker.running), None)

    def queue(self, model: str) -> list[int]:
        """Return the requests that wait for a model, in the order in which they will be served."""
        return [number for number, request in self.waiting.items() if request.model == model]

    def others(self, model: str) -> Iterator[tuple[str, RecordedWorker]]:
        """Yield the other models that have a worker on a model's device."""
        device = self.device_of(model).name
        for other, worker in self.workers.items():
            if other != model and self.device_of(other).name == device:
                yield other, worker

    # ── Going on ─────────────────────────────────────────────────────────────

    def go_on(self, moment: Moment) -> None:
        """Take in an event and its effects."""
        self.happened(moment.event, moment.at)
        for effect in moment.effects:
            self.decided(effect, moment.at)

    def happened(self, event: Event, now: float) -> None:  # noqa: C901  # one arm for each
        """Take in an event, before its effects."""
        match event:
            case Requested(ticket=number, model=model, front=front, keep_warm=keep_warm):
                request = {number: WaitingRequest(model=model, since=now, keep_warm=keep_warm)}
                self.waiting = request | self.waiting if front else self.waiting | request
            case Cancelled(ticket=number) | Done(ticket=number):
                self._end(number)
            case Fetched(model=model) | FetchFailed(model=model):
                self.fetching.discard(model)
            case Loaded(model=model, epoch=epoch):
                self._move(model, epoch, Phase.READY, now, Phase.LOADING)
            case LoadFailed(model=model, epoch=epoch) | Exited(model=model, epoch=epoch):
                self._gone(model, epoch, now)
            case Freed(model=model, epoch=epoch):
                if self._is(model, epoch, Phase.VERIFYING):
                    del self.workers[model]
            case NotFreed(model=model, epoch=epoch, error=error):
                if self._is(model, epoch, Phase.VERIFYING):
                    self.workers[model] = replace(self.workers[model], problem=error.message)
            case UnloadWanted(model=model):
                self._drain(model, now)
            case DeviceUnusable(model=model, epoch=epoch) if self.placements[model].fallback is not None:
                self._drain(model, now, epoch)
            case RecycleWanted(model=model, epoch=epoch, urgent=True):
                self._drain(model, now, epoch)

    def decided(self, effect: Effect, now: float) -> None:
        """Take in an effect of the event that happened last."""
        match effect:
            case Fetch(model=model):
                self.fetching.add(model)
            case Load(model=model, epoch=epoch):
                self.workers[model] = RecordedWorker(epoch=epoch, phase=Phase.LOADING, since=now)
            case Stop(model=model, epoch=epoch):
                self._move(model, epoch, Phase.STOPPING, now, Phase.LOADING, Phase.READY, Phase.DRAINING)
            case Verify(model=model, epoch=epoch):
                self._inherit(model, epoch)
            case Grant(tickets=numbers, model=model):
                granted = {number: self.waiting.pop(number) for number in numbers if number in self.waiting}
                worker = self.workers[model]
                using = tuple(number for number, request in granted.items() if not request.keep_warm)
                self.workers[model] = replace(worker, running=worker.running + using)
            case Refuse(ticket=number):
                self.waiting.pop(number, None)
            case Move(model=model, placement=placement):
                self._leave(model)
                self.placements[model] = placement

    def _is(self, model: str, epoch: int, *phases: Phase) -> bool:
        worker = self.workers.get(model)
        return worker is not None and worker.epoch == epoch and worker.phase in phases

    def _move(self, model: str, epoch: int, phase: Phase, now: float, *before: Phase) -> None:
        if self._is(model, epoch, *before):
            self.workers[model] = replace(self.workers[model], phase=phase, since=now)

    def _drain(self, model: str, now: float, epoch: int | None = None) -> None:
        worker = self.workers.get(model)
        if worker is not None and worker.running and epoch in (None, worker.epoch):
            self._move(model, worker.epoch, Phase.DRAINING, now, Phase.READY)

    def _end(self, request: int) -> None:
        self.waiting.pop(request, None)
        for model, worker in self.workers.items():
            if request in worker.running:
                rest = tuple(number for number in worker.running if number != request)
                self.workers[model] = replace(worker, running=rest)

    def _gone(self, model: str, epoch: int, now: float) -> None:
        """Take in that a process is gone; a GPU's memory must be proved free before the worker is over."""
        if not self._is(model, epoch, Phase.LOADING, Phase.READY, Phase.DRAINING, Phase.STOPPING):
            return
        if self.device_of(model).verified:
            self.workers[model] = RecordedWorker(epoch=epoch, phase=Phase.VERIFYING, since=now)
        else:
            del self.workers[model]

    def _leave(self, model: str) -> None:
        """Leave the proof that a worker still owes its device to a model that stays there."""
        heir = next((other for other in self.models_on(self.device_of(model).name) if other != model), None)
        worker = self.workers.pop(model, None)
        if worker is not None and heir is not None:
            self.workers[heir] = worker

    def _inherit(self, model: str, epoch: int) -> None:
        """Have *model* owe the proof of a worker that another one left behind when it moved away."""
        for other, worker in self.workers.items():
            if worker.epoch == epoch and other != model:
                self.workers[model] = self.workers.pop(other)
                return

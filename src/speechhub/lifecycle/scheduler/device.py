"""Scheduling of one device: turns the state of the models that are placed there into effects."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from speechhub.errors import EnginePinnedError, NotIdleError, SpeechhubError
from speechhub.lifecycle.scheduler.batching import batch_size, calls
from speechhub.lifecycle.scheduler.estimates import Mean, Succession
from speechhub.lifecycle.scheduler.events import (
    Effect,
    Fetch,
    Grant,
    Load,
    Refuse,
    Requested,
    Stop,
    Unasked,
    Verify,
)
from speechhub.lifecycle.scheduler.eviction import ResidentEngine, has_room, victims_for
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import DeviceSnapshot, ModelQueue
from speechhub.lifecycle.scheduler.served_model import (
    MOST_LOSSES,
    RunningCall,
    ServedModel,
    Ticket,
    WorkerState,
)
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.placement import Device

FIRST_SWITCH_GUESS_S = 5.0
"""How long a switch is taken to last before the first one is measured."""


def refuse_all(served: ServedModel, error: SpeechhubError) -> Sequence[Effect]:
    """Refuse all tickets that wait for a model."""
    refused, served.waiting = served.waiting, []
    return [Refuse(ticket=ticket.number, error=error) for ticket in refused]


def size_of(together: Sequence[Ticket]) -> float:
    """Return the size of the work of one call's tickets together; 0 is unknown."""
    return sum(ticket.size for ticket in together)


@dataclass(slots=True, kw_only=True)
class DeviceScheduler:
    """One device, for the life of the scheduler."""

    device: Device
    models: dict[str, ServedModel]
    """Model → the model, for those that are placed here."""
    limits: Limits
    epochs: "itertools.count[int]"
    """Shared by all devices."""
    pinned: str | None = None
    closing: bool = False
    """Whether the server stops: then a model is loaded only if a request waits for it."""
    switch_s: Mean = field(default_factory=lambda: Mean(FIRST_SWITCH_GUESS_S))
    """How long it takes from telling one engine to stop until the next one is ready."""
    succession: Succession = field(default_factory=Succession)
    unasked: tuple[str, Unasked] | None = None
    """Model that the device is being made ready for although no request waits, and why."""
    _switch_began: float | None = None
    """When an engine was told to stop for another one, which is not loading yet; None otherwise."""

    # ── Noting and looking ───────────────────────────────────────────────────

    def ready(self, served: ServedModel, worker: WorkerState, now: float) -> None:
        """Note that the worker of *served* is ready."""
        worker.move(Phase.READY, now)
        worker.deadline, worker.idle_since = math.inf, now
        if worker.switch_began is not None and served.loaded_before:
            self.switch_s.add(now - worker.switch_began)  # a first load also reads the disk
        served.loaded_before = True
        if served.losses < MOST_LOSSES:  # else only finished work proves that the device works
            served.breaker.succeed()

    def take_over(self, served: ServedModel, before: "DeviceScheduler") -> None:
        """Place *served* here, which was on the device *before*."""
        del before.models[served.id]
        self.models[served.id] = served
        if before.pinned == served.id:
            before.pinned, self.pinned = None, self.pinned or served.id
        if before.unasked is not None and before.unasked[0] == served.id:
            before.unasked = None
        before.succession.forget(served.id)

    def excludes(self, served: ServedModel) -> EnginePinnedError | None:
        """Return why requests for *served* are refused, if another model is pinned and leaves it no room."""
        if self.pinned is None or self.pinned == served.id:
            return None
        if served.phase_is(Phase.READY) and not self.device.exclusive:
            return None
        if has_room(
            served.placement.model.memory_bytes,
            [self._resident_engine(self.models[self.pinned])],
            self.device,
        ):
            return None
        return EnginePinnedError(served.id, self.pinned, self.device.name)

    def wait_s(self, served: ServedModel, now: float) -> float:
        """Return how long a ticket that comes now for *served* will wait, as predicted."""
        return self._queue_s(served, served.waiting) + self._until_queue_moves_s(served, now)

    def answer_s(self, served: ServedModel, ticket: Ticket, now: float) -> float:
        """Return how long it will take until *ticket*, which comes now, has its work done, as predicted."""
        return self._queue_s(served, [*served.waiting, ticket]) + self._until_queue_moves_s(served, now)

    def _queue_s(self, served: ServedModel, queue: Sequence[Ticket]) -> float:
        """Return how long the work of a queue takes, as predicted; tickets that share a call count once."""
        shared = calls(
            [ticket for ticket in queue if not ticket.keep_warm],
            most_recordings=served.worker.most_recordings if served.worker else served.placement.max_batch,
            audio_s=self.limits.batch_audio_s,
        )
        return sum(served.service.predict(size_of(together)) for together in shared)

    def _until_queue_moves_s(self, served: ServedModel, now: float) -> float:
        """Return how long it will take until the queue of *served* moves, as predicted."""
        wait_s = served.running_s(now)
        others = [other for other in self.models.values() if other is not served]
        if served.phase_is(Phase.READY):
            away = self.device.exclusive and any(other.waiting for other in others)
            return wait_s + 2 * self.switch_s.value * away
        if self.device.exclusive:
            wait_s += sum(other.running_s(now) for other in others)
        return wait_s + self.switch_s.value

    # ── Deciding ─────────────────────────────────────────────────────────────

    def use_if_idle(self, served: ServedModel, event: Requested, now: float) -> Grant | Refuse:
        """Grant a spare ticket if *served* is ready and idle and no request waits here; or refuse it."""
        worker = served.worker
        if (
            worker is None
            or worker.phase is not Phase.READY
            or worker.running is not None
            or any(other.waiting for other in self.models.values())
            or served.breaker.until > now
            or self.excludes(served)
            or self.closing
        ):
            return Refuse(ticket=event.ticket, error=NotIdleError(served.id))
        worker.running = RunningCall(tickets={event.ticket}, size=event.size, began=now, spare=True)
        worker.calls += 1
        return Grant(tickets=(event.ticket,), model=served.id, epoch=worker.epoch)

    def retire(self, served: ServedModel, now: float) -> Sequence[Effect]:
        """Stop the worker: now if it is idle, otherwise after its running call."""
        worker = served.worker
        if worker is None or worker.phase in (Phase.STOPPING, Phase.VERIFYING):
            return ()
        if worker.phase is Phase.READY:
            served.last_here = now
        if worker.running is not None:
            if worker.phase is Phase.READY:
                worker.move(Phase.DRAINING, now)
            return ()
        worker.move(Phase.STOPPING, now)
        recycled = worker.calls >= worker.recycle_from
        return (Stop(model=served.id, epoch=worker.epoch, recycled=recycled),)

    def vacate(self, served: ServedModel, worker: WorkerState, now: float) -> Iterator[Effect]:
        """Note that the process of *worker* is gone."""
        if worker.phase is Phase.READY:
            served.last_here = now
        worker.running = None
        if not self.device.verified:
            served.worker = None
            return
        worker.move(Phase.VERIFYING, now)
        yield from self._verify(served, worker)

    def dispatch(self, now: float, *, idle: bool) -> Iterator[Effect]:
        """Yield every grant, fetch, load and stop that is possible now.

        Args:
            now: Seconds of the scheduler's clock.
            idle: Whether a call has just ended, so that the next model may be made ready ahead of a request.
        """
        for served in self.models.values():
            if served.is_due_for_recycling():
                if self.device.exclusive and not self.closing:
                    self.unasked = served.id, Unasked.RECYCLING
                yield from self.retire(served, now)
            elif served.phase_is(Phase.DRAINING):
                yield from self.retire(served, now)
        for served in self._waited_for():
            if served.worker is None and (pinned := self.excludes(served)):
                yield from refuse_all(served, pinned)
            elif served.worker is None and not served.files and not served.fetching:
                served.fetching = True
                yield Fetch(model=served.id)
        if self.device.exclusive:
            yield from self._take_turns(now, idle=idle)
        else:
            yield from self._share(now)

    def _waited_for(self) -> list[ServedModel]:
        """Return the models that requests wait for; the one whose first ticket is oldest comes first."""
        return sorted(
            (served for served in self.models.values() if served.waiting),
            key=lambda served: served.waiting[0].order,
        )

    def _servable(self) -> list[ServedModel]:
        """Return those of them that can be loaded: a model whose files are missing delays no other."""
        return [served for served in self._waited_for() if served.worker is not None or served.files]

    def _share(self, now: float) -> Iterator[Effect]:
        """Let engines run beside each other; memory goes to the oldest request."""
        for served in self._servable():  # requests that waited for a load come before others' need of memory
            if served.worker is not None and not served.worker.used:
                yield from self._grant(served, served.worker, now)
        room_is_wanted = False
        for served in self._servable():
            if served.worker is not None:
                yield from self._grant(served, served.worker, now)
            elif not room_is_wanted:
                yield from self._make_room_and_load(served, now)
                room_is_wanted = True

    def _take_turns(self, now: float, *, idle: bool) -> Iterator[Effect]:
        """Give the device to one engine after the other, in the order that the policy chooses."""
        holder = next((served for served in self.models.values() if served.worker is not None), None)
        if holder is None or holder.worker is None:
            yield from self._bring_in(now)
            return
        worker = holder.worker
        if worker.phase is Phase.VERIFYING and self._servable():
            yield from self._verify(holder, worker)
        if worker.phase is not Phase.READY:
            return
        if not worker.used:  # requests that waited for this load come before the next switch
            yield from self._grant(holder, worker, now)
        while worker.running is None:
            choice = self._choose(holder, worker, now)
            if (
                choice is None
                and idle
                and not self.closing
                and worker.used
                and self.succession.last == holder.id
            ):
                choice = self._foresee(holder.id)
                self.unasked = (choice, Unasked.SPECULATION) if choice else None
            if choice is None:
                return
            if choice != holder.id:
                self._switch_began = now
                yield from self.retire(holder, now)
                return
            yield from self._grant(holder, worker, now)
        yield from self._grant(holder, worker, now)

    def _choose(self, holder: ServedModel | None, worker: WorkerState | None, now: float) -> str | None:
        snapshot = DeviceSnapshot(
            now=now,
            resident=holder.id if holder else None,
            stay_s=now - worker.since if worker else 0.0,
            switch_s=self.switch_s.value,
            queues={
                served.id: ModelQueue(
                    arrivals=tuple(ticket.arrived for ticket in served.waiting),
                    order=served.waiting[0].order,
                    last_here=served.last_here,
                    max_wait_s=self.limits.max_wait_s(served.placement.slot),
                )
                for served in self._servable()
            },
        )
        return self.limits.policy.choose(snapshot)

    def _foresee(self, resident: str) -> str | None:
        name = self.limits.policy.foresee(resident, self.succession.after(resident))
        served = self.models[name] if name is not None else None
        return (
            name
            if served is not None and served.files and not served.breaker.failures and not self.pinned
            else None
        )

    def _bring_in(self, now: float) -> Iterator[Effect]:
        """Load the model that is next in turn, on a device without an engine."""
        choice = self._choose(None, None, now)
        (unasked, why), self.unasked = self.unasked or (None, None), None
        if choice is not None:
            yield self._load(self.models[choice], now)
        elif unasked is not None and self.pinned in (None, unasked):
            yield self._load(self.models[unasked], now, why)
        else:
            self._switch_began = None

    def _grant(self, served: ServedModel, worker: WorkerState, now: float) -> Iterator[Effect]:
        while (
            worker.phase is Phase.READY
            and served.waiting
            and (served.waiting[0].keep_warm or worker.running is None)
        ):
            count = batch_size(
                served.waiting, most_recordings=worker.most_recordings, audio_s=self.limits.batch_audio_s
            )
            granted, served.waiting = served.waiting[:count], served.waiting[count:]
            numbers = tuple(ticket.number for ticket in granted)
            if not granted[0].keep_warm:
                worker.running = RunningCall(tickets=set(numbers), size=size_of(granted), began=now)
                worker.calls += 1
                worker.used = True
            yield Grant(tickets=numbers, model=served.id, epoch=worker.epoch)

    def _verify(self, served: ServedModel, worker: WorkerState) -> Iterator[Effect]:
        if not worker.verifying:
            worker.verifying = True
            yield Verify(model=served.id, epoch=worker.epoch)

    def _load(self, served: ServedModel, now: float, unasked: Unasked | None = None) -> Effect:
        limits = self.limits
        limit_s = limits.switch_timeout_s if served.loaded_before else limits.first_load_timeout_s
        served.worker = WorkerState(
            epoch=next(self.epochs),
            since=now,
            idle_since=now,
            deadline=now + limit_s,
            switch_began=self._switch_began,
            most_recordings=served.placement.max_batch,
            recycle_from=limits.recycle_after_calls or math.inf,
        )
        self._switch_began = None
        return Load(model=served.id, epoch=served.worker.epoch, unasked=unasked)

    def _make_room_and_load(self, served: ServedModel, now: float) -> Iterator[Effect]:
        needs_bytes = served.placement.model.memory_bytes
        engines = {other.id: self._resident_engine(other) for other in self.models.values() if other.worker}
        if has_room(needs_bytes, engines.values(), self.device):
            yield self._load(served, now)
            return
        for name in victims_for(served.waiting[0].order, needs_bytes, engines, self.device):
            yield from self.retire(self.models[name], now)

    def _resident_engine(self, served: ServedModel) -> ResidentEngine:
        worker = served.worker
        return ResidentEngine(
            phase=worker.phase if worker else Phase.LOADING,
            busy=self.pinned == served.id or (worker is not None and worker.running is not None),
            idle_since=worker.idle_since if worker else -math.inf,
            oldest_waiting=served.waiting[0].order if served.waiting else None,
            memory_bytes=served.placement.model.memory_bytes,
        )

"""The scheduler: events in, effects out. No I/O, no clock of its own, no locks.

The same object runs in production, under Hypothesis and in simulations.
Its rules: an exclusive device has at most one worker, from its start until its process is reaped and, on a
GPU, its memory is proved free; tickets of one model are served in order, one call at a time; a model's files
are fetched before an engine is evicted for it; every admitted ticket ends exactly once.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from speechhub.errors import (
    EngineDeviceError,
    EngineFailingError,
    QueueFullError,
    RequestTimeoutError,
    ShuttingDownError,
    SpeechhubError,
    SwitchTimeoutError,
)
from speechhub.lifecycle.scheduler.device import DeviceScheduler, refuse_all
from speechhub.lifecycle.scheduler.estimates import ServiceTimes
from speechhub.lifecycle.scheduler.events import (
    BatchTooLarge,
    Cancelled,
    DeviceLost,
    DeviceUnusable,
    Done,
    Effect,
    Event,
    Exited,
    Fetched,
    FetchFailed,
    Freed,
    Loaded,
    LoadFailed,
    Move,
    NotFreed,
    PinWanted,
    RecycleWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    UnloadWanted,
    Unpinned,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.served_model import MOST_LOSSES, ModelActivity, ServedModel, Ticket
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.placement import Placement


def _ticket(event: Requested, *, order: int, now: float) -> Ticket:
    return Ticket(
        number=event.ticket,
        order=order,
        arrived=now,
        keep_warm=event.keep_warm,
        deadline=event.deadline,
        size=event.size,
        recordings_s=event.recordings_s,
    )


def _retry_after(seconds: float) -> float:
    """Return a wait as `Retry-After` has it: whole seconds, 1 to 60."""
    return min(60.0, max(1.0, math.ceil(seconds)))


class Scheduler:
    """Decides which engine runs where, and when. One for the life of the server, owned by one `Manager`."""

    def __init__(self, placements: Mapping[str, Placement], limits: Limits) -> None:
        self._models = {name: ServedModel(placement=placement) for name, placement in placements.items()}
        self._limits = limits
        epochs = itertools.count(1)
        places = [place for p in placements.values() for place in (p.device, p.fallback) if place is not None]
        devices = {device.name: device for device in places}
        self._devices = {
            name: DeviceScheduler(
                device=device,
                models={
                    served.id: served
                    for served in self._models.values()
                    if served.placement.device.name == name
                },
                limits=limits,
                epochs=epochs,
            )
            for name, device in devices.items()
        }
        self._orders = itertools.count()
        self._front_orders = itertools.count(-1, -1)
        self._shutting_down = False

    # ── Looking ──────────────────────────────────────────────────────────────

    def state(self, model: str) -> ModelActivity:
        """Return what is going on around *model*; never decide anything from it: it may be out of date."""
        served = self._models[model]
        worker = served.worker
        unproved = worker is not None and worker.phase is Phase.VERIFYING and not worker.verifying
        return ModelActivity(
            model=model,
            phase=worker.phase if worker else None,
            epoch=worker.epoch if worker and not unproved else None,
            since=worker.since if worker else None,
            busy=worker is not None and worker.running is not None,
            waiting=len(served.waiting),
            fetching=served.fetching,
            pinned=self._device_of(served).pinned == model,
            oldest=min((ticket.arrived for ticket in served.waiting), default=None),
            used=worker.idle_since if worker else None,
            failures=served.breaker.failures,
            failing_until=served.breaker.until if served.breaker.failures else None,
            failure=served.breaker.error.message if served.breaker.error else None,
            failure_public=served.breaker.error.public if served.breaker.error else None,
        )

    def states(self) -> list[ModelActivity]:
        """Return what is going on, for all models."""
        return [self.state(name) for name in self._models]

    def switch_s(self, device: str) -> float:
        """Return how long a switch on *device* takes, in seconds: the running mean, or a first guess."""
        return self._devices[device].switch_s.value

    def wait_s(self, model: str, now: float) -> float:
        """Return how long a ticket that comes now for *model* will wait, in seconds, as predicted."""
        return self._device_of(self._models[model]).wait_s(self._models[model], now)

    def next_wake(self) -> float | None:
        """Return when `Ticked` is due next, in seconds of the caller's clock; None if nothing is due."""
        times = [self._worker_due(served) for served in self._models.values()]
        times += [ticket.deadline for served in self._models.values() for ticket in served.waiting]
        earliest = min(times, default=math.inf)
        return None if math.isinf(earliest) else earliest

    # ── Deciding ─────────────────────────────────────────────────────────────

    def handle(self, event: Event, now: float) -> Sequence[Effect]:
        """Take in one event and return the effects to carry out, in order.

        Args:
            event: What happened; it is ignored if its worker or ticket has already ended.
            now: Seconds on a monotonic clock.
        """
        idle = isinstance(event, Done) and not any(
            served.runs_spare(event.ticket) for served in self._models.values()
        )
        effects = list(self._take_in(event, now))
        for device in self._devices.values():
            effects += device.dispatch(now, idle=idle)
        return effects

    def _take_in(self, event: Event, now: float) -> Iterator[Effect]:  # noqa: C901, PLR0912  # one arm for each
        match event:
            case Requested():
                yield from self._request(event, now)
            case Cancelled(ticket=ticket):
                for served in self._models.values():
                    served.withdraw(ticket)
                self._done(ticket, now, finished=False)
            case Done(ticket=ticket, finished=finished):
                self._done(ticket, now, finished=finished)
            case BatchTooLarge() | RecycleWanted():
                self._learn_of_memory(event)
            case DeviceLost(model=name, error=error):
                yield from self._device_lost(self._models[name], error, now)
            case DeviceUnusable():
                yield from self._leave(event, now)
            case Fetched() | FetchFailed():
                yield from self._fetched(event)
            case Loaded() | LoadFailed() | Exited() | Freed() | NotFreed():
                yield from self._hear_of_worker(event, now)
            case PinWanted(model=name):
                device = self._device_of(self._models[name])
                device.pinned = name
                for served in device.models.values():
                    if pinned := device.excludes(served):
                        yield from refuse_all(served, pinned)
            case Unpinned(device=name):
                self._devices[name].pinned = None
            case UnloadWanted(model=name):
                device = self._device_of(self._models[name])
                if device.unasked is not None and device.unasked[0] == name:
                    device.unasked = None
                yield from device.retire(self._models[name], now)
            case ShutdownWanted():
                self._shutting_down = True
                for device in self._devices.values():
                    device.closing, device.unasked = True, None
                for served in self._models.values():
                    yield from refuse_all(served, ShuttingDownError())
            case Ticked():
                yield from self._tick(now)

    def _device_of(self, served: ServedModel) -> DeviceScheduler:
        return self._devices[served.placement.device.name]

    # ── Tickets ──────────────────────────────────────────────────────────────

    def _request(self, event: Requested, now: float) -> Iterator[Effect]:
        served = self._models[event.model]
        if event.spare:
            yield self._device_of(served).use_if_idle(served, event, now)
            return
        refusal = self._refusal(served, event, now)
        if refusal is not None:
            yield Refuse(ticket=event.ticket, error=refusal)
            return
        if not event.front and not event.keep_warm:
            self._device_of(served).succession.note(served.id)
        orders = self._front_orders if event.front else self._orders
        served.enqueue(_ticket(event, order=next(orders), now=now))

    def _refusal(self, served: ServedModel, event: Requested, now: float) -> SpeechhubError | None:
        if self._shutting_down:
            return ShuttingDownError()
        if pinned := self._device_of(served).excludes(served):
            return pinned
        if served.breaker.until > now:
            return EngineFailingError(
                served.id, served.breaker.error, retry_after_s=served.breaker.until - now
            )
        if event.deadline <= now:
            return self._too_late(served, now)
        return None if event.front or event.begun else self._full(served, event, now)

    def _full(self, served: ServedModel, event: Requested, now: float) -> QueueFullError | None:
        """Return the refusal if the queue is full, or if the ticket's answer would come too late.

        Tickets that only want the engine to be ready take no place from work: some of them stand for work
        that follows, and would be in its way.
        """
        ahead = [ticket for ticket in served.waiting if event.keep_warm or not ticket.keep_warm]
        if len(ahead) >= self._limits.queue_limit:
            return QueueFullError(
                f"{len(ahead)} requests already wait for model {served.id!r}. Try again later.",
                retry_after_s=self._retry_after_s(served, now),
            )
        if not ahead:
            return None
        answer_s = self._device_of(served).answer_s(served, _ticket(event, order=0, now=now), now)
        limit_s = min(event.deadline - now, self._limits.queue_limit_s or math.inf)
        if answer_s <= limit_s:
            return None
        return QueueFullError(
            f"{len(ahead)} requests already wait for model {served.id!r}: the answer would take "
            f"about {math.ceil(answer_s)} s, but the limit is {math.floor(limit_s)} s. Try again later.",
            retry_after_s=_retry_after(answer_s - limit_s),
        )

    def _too_late(self, served: ServedModel, now: float) -> RequestTimeoutError:
        return RequestTimeoutError(
            f"The request timed out before model {served.id!r} was free. Try again later.",
            retry_after_s=self._retry_after_s(served, now),
        )

    def _retry_after_s(self, served: ServedModel, now: float) -> float:
        return _retry_after(self.wait_s(served.id, now))

    def _done(self, ticket: int, now: float, *, finished: bool) -> None:
        for served in self._models.values():
            served.free_work(ticket, now, finished=finished)

    # ── Files and workers ────────────────────────────────────────────────────

    def _fetched(self, event: Fetched | FetchFailed) -> Iterator[Effect]:
        served = self._models[event.model]
        served.fetching = False
        if isinstance(event, FetchFailed):
            yield from refuse_all(served, event.error)
        else:
            served.files = True

    def _hear_of_worker(
        self, event: Loaded | LoadFailed | Exited | Freed | NotFreed, now: float
    ) -> Iterator[Effect]:
        served = self._models[event.model]
        worker, device = served.worker, self._device_of(served)
        if worker is None or worker.epoch != event.epoch:
            return  # it is about an earlier worker
        verifying = worker.phase is Phase.VERIFYING
        match event:
            case Loaded() if worker.phase is Phase.LOADING:
                device.ready(served, worker, now)
            case LoadFailed(error=error) if not verifying:
                if isinstance(error, EngineDeviceError) and served.placement.fallback is not None:
                    served.leaves_for = served.placement.fallen_back(
                        error.message
                    )  # its requests keep waiting
                else:
                    served.files = False  # they are checked again before the next load
                    if worker.phase is Phase.LOADING:
                        served.breaker.fail(error, now)
                        yield from refuse_all(served, error)
                yield from device.vacate(served, worker, now)
                yield from self._move(served)
            case Exited() if not verifying:
                yield from device.vacate(served, worker, now)
                yield from self._move(served)
            case Freed() if worker.verifying:
                served.worker = None
                yield from self._move(served)
            case NotFreed(error=error) if worker.verifying:
                worker.verifying = False
                yield from self._not_freed(served, error)

    def _not_freed(self, served: ServedModel, error: SpeechhubError) -> Iterator[Effect]:
        """Refuse the tickets that wait for a device whose memory is not proved free, which may never be.

        A model that leaves the device no longer needs the proof, and may leave because the driver is gone; a
        model that stays takes over the worker that still needs it.
        """
        device = self._device_of(served)
        if served.leaves_for is not None:
            worker, served.worker = served.worker, None
            yield from self._move(served)
            if heir := next(iter(device.models.values()), None):
                heir.worker = worker
        for other in device.models.values():
            yield from refuse_all(other, error)

    def _leave(self, event: DeviceUnusable, now: float) -> Iterator[Effect]:
        """Move a model off a device that it cannot use, once its running call has ended."""
        served = self._models[event.model]
        worker = served.worker
        if worker is None or worker.epoch != event.epoch or served.placement.fallback is None:
            return
        served.leaves_for = served.placement.fallen_back(event.error.message)  # with its requests
        yield from self._device_of(served).retire(served, now)

    def _move(self, served: ServedModel) -> Iterator[Effect]:
        """Move a model to its fallback device, once its worker is gone."""
        if served.leaves_for is None or served.worker is not None:
            return
        before = self._device_of(served)
        served.placement, served.leaves_for, served.loaded_before = served.leaves_for, None, False
        served.service, served.losses = ServiceTimes(), 0  # these were learnt on the other device
        self._device_of(served).take_over(served, before)
        yield Move(model=served.id, placement=served.placement)

    def _device_lost(self, served: ServedModel, error: SpeechhubError, now: float) -> Iterator[Effect]:
        """Pause a model that lost its device several times in a row, whichever client's calls they were."""
        served.losses += 1
        if served.losses >= MOST_LOSSES:
            served.breaker.fail(error, now)
            pause_s = served.breaker.until - now
            yield from refuse_all(served, EngineFailingError(served.id, error, retry_after_s=pause_s))

    def _learn_of_memory(self, event: BatchTooLarge | RecycleWanted) -> None:
        worker = self._models[event.model].worker
        if worker is None or worker.epoch != event.epoch:
            return
        match event:
            case BatchTooLarge(recordings=recordings):
                worker.most_recordings = max(1, recordings // 2)
            case RecycleWanted(urgent=urgent):
                worker.recycle_from = -math.inf if urgent else min(worker.recycle_from, worker.calls)

    def _tick(self, now: float) -> Iterator[Effect]:
        for served in self._models.values():
            for ticket in served.take_expired(now):
                yield Refuse(ticket=ticket.number, error=self._too_late(served, now))
            worker = served.worker
            if worker is None or self._worker_due(served) > now:
                continue
            if worker.phase is not Phase.LOADING:
                yield from self._device_of(served).retire(served, now)
                continue
            error = SwitchTimeoutError(
                f"Model {served.id!r} was not ready after {now - worker.since:.0f} s. Try again; the "
                "operator can raise SPEECHHUB_SWITCH_TIMEOUT_S or SPEECHHUB_FIRST_LOAD_TIMEOUT_S.",
                retry_after_s=10.0,
            )
            worker.move(Phase.STOPPING, now)
            worker.deadline = math.inf
            served.breaker.fail(error, now)
            yield Stop(model=served.id, epoch=worker.epoch, kill=True)
            yield from refuse_all(served, error)

    def _worker_due(self, served: ServedModel) -> float:
        """Return when the worker will have been loading, or idle, for too long."""
        worker = served.worker
        if worker is None:
            return math.inf
        if worker.phase is Phase.LOADING:
            return worker.deadline
        idle = worker.phase is Phase.READY and worker.running is None and not served.waiting
        if idle and self._limits.idle_unload_s > 0 and self._device_of(served).pinned != served.id:
            return worker.idle_since + self._limits.idle_unload_s
        return math.inf

"""The scheduler: events in, effects out. No I/O, no clock of its own, no locks.

The same object runs in production, under Hypothesis and in simulations.
Its rules: a device marked exclusive has at most one worker, from its start until its process is reaped and,
on a GPU, its memory proved free; tickets of one model are served in order, one at a time; a model's files
are fetched before anything is evicted for it; every admitted ticket ends exactly once.
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
from speechhub.lifecycle.scheduler.device import Occupancy, refuse_all
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


def _told(seconds: float) -> float:
    """Return a wait as clients are told: whole seconds, 1 to 60."""
    return min(60.0, max(1.0, math.ceil(seconds)))


class Scheduler:
    """Decides who runs where. One instance for the life of the server, owned by one `Manager`."""

    def __init__(self, placements: Mapping[str, Placement], limits: Limits) -> None:
        self._models = {name: ServedModel(placement=placement) for name, placement in placements.items()}
        self._limits = limits
        epochs = itertools.count(1)
        places = [it for p in placements.values() for it in (p.device, p.fallback) if it is not None]
        devices = {device.name: device for device in places}
        self._devices = {
            name: Occupancy(
                device=device,
                models={it.name: it for it in self._models.values() if it.placement.device.name == name},
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
        """Return what is going on around *model*; never decide anything from it."""
        it = self._models[model]
        worker = it.worker
        unproved = worker is not None and worker.phase is Phase.VERIFYING and not worker.verifying
        return ModelActivity(
            model=model,
            phase=worker.phase if worker else None,
            epoch=worker.epoch if worker and not unproved else None,
            since=worker.since if worker else None,
            busy=worker is not None and worker.job is not None,
            waiting=len(it.waiting),
            fetching=it.fetching,
            pinned=self._device_of(it).pinned == model,
            oldest=min((ticket.arrived for ticket in it.waiting), default=None),
            used=worker.idle_since if worker else None,
            failures=it.breaker.failures,
            failing_until=it.breaker.until if it.breaker.failures else None,
            failure=it.breaker.error.message if it.breaker.error else None,
            failure_public=it.breaker.error.public if it.breaker.error else None,
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
        times = [self._worker_due(it) for it in self._models.values()]
        times += [ticket.deadline for it in self._models.values() for ticket in it.waiting]
        earliest = min(times, default=math.inf)
        return None if math.isinf(earliest) else earliest

    # ── Deciding ─────────────────────────────────────────────────────────────

    def handle(self, event: Event, now: float) -> Sequence[Effect]:
        """Take in one event and return what to do about it, in order.

        Args:
            event: What happened; about epochs and tickets that are over, nothing happens.
            now: Seconds on a monotonic clock.
        """
        effects = list(self._take_in(event, now))
        for device in self._devices.values():
            effects += device.dispatch(now, idle=isinstance(event, Done))
        return effects

    def _take_in(self, event: Event, now: float) -> Iterator[Effect]:  # noqa: C901, PLR0912  # one arm for each
        match event:
            case Requested():
                yield from self._request(event, now)
            case Cancelled(ticket=ticket):
                for it in self._models.values():
                    it.withdraw(ticket)
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
                for it in device.models.values():
                    if pinned := device.excludes(it):
                        yield from refuse_all(it, pinned)
            case Unpinned(device=name):
                self._devices[name].pinned = None
            case UnloadWanted(model=name):
                device = self._device_of(self._models[name])
                if device.unasked is not None and device.unasked[0] == name:
                    device.unasked = None
                yield from device.retire(self._models[name], now)
            case ShutdownWanted():
                self._shutting_down = True
                for occupancy in self._devices.values():
                    occupancy.closing, occupancy.unasked = True, None
                for it in self._models.values():
                    yield from refuse_all(it, ShuttingDownError())
            case Ticked():
                yield from self._tick(now)

    def _device_of(self, it: ServedModel) -> Occupancy:
        return self._devices[it.placement.device.name]

    # ── Tickets ──────────────────────────────────────────────────────────────

    def _request(self, event: Requested, now: float) -> Iterator[Effect]:
        it = self._models[event.model]
        refusal = self._refusal(it, event, now)
        if refusal is not None:
            yield Refuse(ticket=event.ticket, error=refusal)
            return
        if not event.front and not event.keep_warm:
            self._device_of(it).succession.note(it.name)
        orders = self._front_orders if event.front else self._orders
        it.enqueue(_ticket(event, order=next(orders), now=now))

    def _refusal(self, it: ServedModel, event: Requested, now: float) -> SpeechhubError | None:
        if self._shutting_down:
            return ShuttingDownError()
        if pinned := self._device_of(it).excludes(it):
            return pinned
        if it.breaker.until > now:
            return EngineFailingError(it.name, it.breaker.error, retry_after_s=it.breaker.until - now)
        if event.deadline <= now:
            return self._too_late(it, now)
        return None if event.front or event.begun else self._full(it, event, now)

    def _full(self, it: ServedModel, event: Requested, now: float) -> QueueFullError | None:
        """Say that too many wait, or that the work ahead and its own would take longer than it may."""
        if len(it.waiting) >= self._limits.queue_limit:
            return QueueFullError(
                f"{len(it.waiting)} requests already wait for model {it.name!r}. Try again later.",
                retry_after_s=self._retry_after_s(it, now),
            )
        if not it.waiting:
            return None
        answer_s = self._device_of(it).answer_s(it, _ticket(event, order=0, now=now), now)
        limit_s = min(event.deadline - now, self._limits.queue_limit_s or math.inf)
        if answer_s <= limit_s:
            return None
        return QueueFullError(
            f"{len(it.waiting)} requests already wait for model {it.name!r}: the answer would take about "
            f"{math.ceil(answer_s)} s, and it may take {math.floor(limit_s)} s. Try again later.",
            retry_after_s=_told(answer_s - limit_s),
        )

    def _too_late(self, it: ServedModel, now: float) -> RequestTimeoutError:
        return RequestTimeoutError(
            f"The request's time was over before model {it.name!r} was free. Try again later.",
            retry_after_s=self._retry_after_s(it, now),
        )

    def _retry_after_s(self, it: ServedModel, now: float) -> float:
        return _told(self.wait_s(it.name, now))

    def _done(self, ticket: int, now: float, *, finished: bool) -> None:
        for it in self._models.values():
            it.free_work(ticket, now, finished=finished)

    # ── Files and workers ────────────────────────────────────────────────────

    def _fetched(self, event: Fetched | FetchFailed) -> Iterator[Effect]:
        it = self._models[event.model]
        it.fetching = False
        if isinstance(event, FetchFailed):
            yield from refuse_all(it, event.error)
        else:
            it.files = True

    def _hear_of_worker(
        self, event: Loaded | LoadFailed | Exited | Freed | NotFreed, now: float
    ) -> Iterator[Effect]:
        it = self._models[event.model]
        worker, device = it.worker, self._device_of(it)
        if worker is None or worker.epoch != event.epoch:
            return  # news of a worker that is long gone
        verifying = worker.phase is Phase.VERIFYING
        match event:
            case Loaded() if worker.phase is Phase.LOADING:
                device.ready(it, worker, now)
            case LoadFailed(error=error) if not verifying:
                if isinstance(error, EngineDeviceError) and it.placement.fallback is not None:
                    it.leaves_for = it.placement.fallen_back(error.message)  # its requests go on waiting
                else:
                    it.files = False  # look at them again before the next try
                    if worker.phase is Phase.LOADING:
                        it.breaker.fail(error, now)
                        yield from refuse_all(it, error)
                yield from device.vacate(it, worker, now)
                yield from self._move(it)
            case Exited() if not verifying:
                yield from device.vacate(it, worker, now)
                yield from self._move(it)
            case Freed() if worker.verifying:
                it.worker = None
                yield from self._move(it)
            case NotFreed(error=error) if worker.verifying:
                worker.verifying = False
                yield from self._not_freed(it, error)

    def _not_freed(self, it: ServedModel, error: SpeechhubError) -> Iterator[Effect]:
        """Send away who waits for a device whose memory is not proved free, which may never be.

        A model that leaves it needs nothing of it, and may leave it because its driver is gone. The proof is
        owed to one that stays.
        """
        device = self._device_of(it)
        if it.leaves_for is not None:
            worker, it.worker = it.worker, None
            yield from self._move(it)
            if heir := next(iter(device.models.values()), None):
                heir.worker = worker
        for other in device.models.values():
            yield from refuse_all(other, error)

    def _leave(self, event: DeviceUnusable, now: float) -> Iterator[Effect]:
        """Have a model leave a device that it cannot use, once the running call has ended."""
        it = self._models[event.model]
        worker = it.worker
        if worker is None or worker.epoch != event.epoch or it.placement.fallback is None:
            return
        it.leaves_for = it.placement.fallen_back(event.error.message)  # who waits goes along
        yield from self._device_of(it).retire(it, now)

    def _move(self, it: ServedModel) -> Iterator[Effect]:
        """Let a model go where it was found to belong, once nothing of its worker is left."""
        if it.leaves_for is None or it.worker is not None:
            return
        before = self._device_of(it)
        it.placement, it.leaves_for, it.loaded_before = it.leaves_for, None, False
        it.service, it.losses = ServiceTimes(), 0  # what was learnt of the other device
        self._device_of(it).take_over(it, before)
        yield Move(model=it.name, placement=it.placement)

    def _device_lost(self, it: ServedModel, error: SpeechhubError, now: float) -> Iterator[Effect]:
        """Leave a model alone for a while whose device is lost at every call, of any client."""
        it.losses += 1
        if it.losses >= MOST_LOSSES:
            it.breaker.fail(error, now)
            pause_s = it.breaker.until - now
            yield from refuse_all(it, EngineFailingError(it.name, error, retry_after_s=pause_s))

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
        for it in self._models.values():
            for ticket in it.take_expired(now):
                yield Refuse(ticket=ticket.number, error=self._too_late(it, now))
            worker = it.worker
            if worker is None or self._worker_due(it) > now:
                continue
            if worker.phase is not Phase.LOADING:
                yield from self._device_of(it).retire(it, now)
                continue
            error = SwitchTimeoutError(
                f"Model {it.name!r} was not ready after {now - worker.since:.0f} s. Try again; the operator "
                "can raise SPEECHHUB_SWITCH_TIMEOUT_S or SPEECHHUB_FIRST_LOAD_TIMEOUT_S.",
                retry_after_s=10.0,
            )
            worker.move(Phase.STOPPING, now)
            worker.deadline = math.inf
            it.breaker.fail(error, now)
            yield Stop(model=it.name, epoch=worker.epoch, kill=True)
            yield from refuse_all(it, error)

    def _worker_due(self, it: ServedModel) -> float:
        """Return when the worker has been loading, or idle, for too long."""
        worker = it.worker
        if worker is None:
            return math.inf
        if worker.phase is Phase.LOADING:
            return worker.deadline
        idle = worker.phase is Phase.READY and worker.job is None and not it.waiting
        if idle and self._limits.idle_unload_s > 0 and self._device_of(it).pinned != it.name:
            return worker.idle_since + self._limits.idle_unload_s
        return math.inf

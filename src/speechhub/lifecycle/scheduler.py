"""The scheduler: events in, effects out. No I/O, no clock of its own, no locks.

The same object runs in production, under Hypothesis and in simulations.
Its rules: a device marked exclusive has at most one worker, from its start until its process is reaped;
tickets of one target are served in order, one at a time; a target's files are fetched before anything is
evicted for it; every admitted ticket ends exactly once.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from speechhub.errors import (
    EnginePinnedError,
    QueueFullError,
    RequestTimeoutError,
    ShuttingDownError,
    SpeechhubError,
    SwitchTimeoutError,
)
from speechhub.lifecycle.events import (
    Cancelled,
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
    NotFreed,
    PinWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    UnloadWanted,
    Unpinned,
    Verify,
)
from speechhub.lifecycle.placement import Device, Placement
from speechhub.lifecycle.policy import Tenant, has_room, victims_for
from speechhub.lifecycle.states import MOVES, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that the scheduler keeps; times in seconds."""

    queue_limit: int = 32
    switch_timeout_s: float = 30.0
    first_load_timeout_s: float = 120.0
    idle_unload_s: float = 300.0
    """0 means never."""


@dataclass(slots=True, kw_only=True)
class _Ticket:
    number: int
    order: int
    presence: bool
    deadline: float


@dataclass(slots=True, kw_only=True)
class _Worker:
    """A worker process, from the moment it is asked for until it is reaped."""

    epoch: int
    phase: Phase = Phase.LOADING
    deadline: float = math.inf
    """When its loading must be over."""
    since: float
    idle_since: float
    running: int | None = None
    """Number of the ticket that uses it."""
    granted_at: float = 0.0
    verifying: bool = False
    """Whether an answer to `Verify` is due."""

    def move(self, phase: Phase, now: float) -> None:
        if phase not in MOVES[self.phase]:
            raise AssertionError(f"illegal move {self.phase} → {phase}")
        self.phase, self.since = phase, now


@dataclass(slots=True, kw_only=True)
class _Target:
    """A model and everything that is going on around it."""

    placement: Placement
    waiting: list[_Ticket] = field(default_factory=list)
    worker: _Worker | None = None
    files: bool = False
    """Whether its files are known to be on disk."""
    fetching: bool = False
    loaded_before: bool = False
    service_s: float = 1.0
    """Running mean of how long a ticket holds the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """A look at one target."""

    target: str
    phase: Phase | None
    epoch: int | None
    since: float | None
    busy: bool
    waiting: int
    fetching: bool
    pinned: bool


class Scheduler:
    """Decides who runs where. One instance for the life of the server, owned by one `Manager`."""

    def __init__(self, placements: Mapping[str, Placement], limits: Limits) -> None:
        self._targets = {name: _Target(placement=placement) for name, placement in placements.items()}
        self._limits = limits
        self._epochs = itertools.count(1)
        self._orders = itertools.count()
        self._front_orders = itertools.count(-1, -1)
        self._running: dict[int, str] = {}
        self._pins: dict[str, str] = {}  # device → target
        self._shutting_down = False

    # ── Looking ──────────────────────────────────────────────────────────────

    def state(self, target: str) -> TargetState:
        """Return what is going on around *target*; never decide anything from it."""
        it = self._targets[target]
        worker = it.worker
        return TargetState(
            target=target,
            phase=worker.phase if worker else None,
            epoch=worker.epoch
            if worker and (worker.phase is not Phase.VERIFYING or worker.verifying)
            else None,
            since=worker.since if worker else None,
            busy=worker is not None and worker.running is not None,
            waiting=len(it.waiting),
            fetching=it.fetching,
            pinned=self._pins.get(it.placement.device.name) == target,
        )

    def states(self) -> list[TargetState]:
        """Return what is going on, for all targets."""
        return [self.state(name) for name in self._targets]

    def next_wake(self) -> float | None:
        """Return when `Ticked` is due next, in seconds of the caller's clock; None if nothing is due."""
        times = [self._due(it) for it in self._targets.values()]
        earliest = min(times, default=math.inf)
        return None if math.isinf(earliest) else earliest

    # ── Deciding ─────────────────────────────────────────────────────────────

    def handle(self, event: Event, now: float) -> Sequence[Effect]:  # noqa: C901, PLR0912  # one arm for each event
        """Take in one event and return what to do about it, in order.

        Args:
            event: What happened; about epochs and tickets that are over, nothing happens.
            now: Seconds on a monotonic clock.
        """
        effects: list[Effect] = []
        match event:
            case Requested():
                effects += self._request(event)
            case Cancelled(ticket=ticket):
                self._forget(ticket, now)
            case Done(ticket=ticket):
                self._done(ticket, now)
            case Fetched(target=name):
                self._targets[name].files, self._targets[name].fetching = True, False
            case FetchFailed(target=name, error=error):
                self._targets[name].fetching = False
                effects += self._refuse_all(self._targets[name], error)
            case Loaded(target=name, epoch=epoch):
                self._loaded(self._targets[name], epoch, now)
            case LoadFailed(target=name, epoch=epoch, error=error):
                effects += self._load_failed(self._targets[name], epoch, error, now)
            case Exited(target=name, epoch=epoch):
                effects += self._exited(self._targets[name], epoch, now)
            case Freed(target=name, epoch=epoch):
                if self._verifies(self._targets[name], epoch):
                    self._targets[name].worker = None
            case NotFreed(target=name, epoch=epoch, error=error):
                effects += self._not_freed(self._targets[name], epoch, error)
            case PinWanted(target=name):
                self._pins[self._targets[name].placement.device.name] = name
                for it in self._targets.values():
                    if pinned := self._pinned_out(it):
                        effects += self._refuse_all(it, pinned)
            case Unpinned(device=device):
                self._pins.pop(device, None)
            case UnloadWanted(target=name):
                effects += self._retire(self._targets[name], now)
            case ShutdownWanted():
                self._shutting_down = True
                for it in self._targets.values():
                    effects += self._refuse_all(it, ShuttingDownError())
            case Ticked():
                effects += self._tick(now)
        effects += self._dispatch(now)
        return effects

    def _request(self, event: Requested) -> Iterator[Effect]:
        it = self._targets[event.target]
        if self._shutting_down:
            yield Refuse(ticket=event.ticket, error=ShuttingDownError())
        elif pinned := self._pinned_out(it):
            yield Refuse(ticket=event.ticket, error=pinned)
        elif len(it.waiting) >= self._limits.queue_limit and not event.front:
            yield Refuse(ticket=event.ticket, error=self._queue_full(it))
        else:
            order = next(self._front_orders if event.front else self._orders)
            it.waiting.append(
                _Ticket(number=event.ticket, order=order, presence=event.presence, deadline=event.deadline)
            )
            it.waiting.sort(key=lambda ticket: ticket.order)

    def _queue_full(self, it: _Target) -> QueueFullError:
        ahead = len(it.waiting) + 1
        return QueueFullError(
            f"{len(it.waiting)} requests already wait for model {it.placement.target!r}. Try again later.",
            retry_after_s=min(60.0, max(1.0, math.ceil(ahead * it.service_s / 2))),
        )

    def _pinned_out(self, it: _Target) -> EnginePinnedError | None:
        """Return why *it* must not wait, if another one is pinned and leaves it no room."""
        device = it.placement.device
        pinned = self._pins.get(device.name)
        if pinned is None or pinned == it.placement.target:
            return None
        if it.worker is not None and it.worker.phase is Phase.READY and not device.exclusive:
            return None
        owner = self._tenant(self._targets[pinned])
        if has_room(it.placement.model.memory_bytes, [owner], device):
            return None
        return EnginePinnedError(it.placement.target, pinned, device.name)

    def _forget(self, ticket: int, now: float) -> None:
        for it in self._targets.values():
            it.waiting = [waiting for waiting in it.waiting if waiting.number != ticket]
        self._done(ticket, now)

    def _done(self, ticket: int, now: float) -> None:
        name = self._running.pop(ticket, None)
        if name is None:
            return
        it = self._targets[name]
        worker = it.worker
        if worker is not None and worker.running == ticket:
            worker.running, worker.idle_since = None, now
            it.service_s += 0.2 * (now - worker.granted_at - it.service_s)

    def _loaded(self, it: _Target, epoch: int, now: float) -> None:
        worker = it.worker
        if worker is None or worker.epoch != epoch or worker.phase is not Phase.LOADING:
            return
        worker.move(Phase.READY, now)
        worker.deadline, worker.idle_since = math.inf, now
        it.loaded_before = True

    def _load_failed(self, it: _Target, epoch: int, error: SpeechhubError, now: float) -> Iterator[Effect]:
        worker = it.worker
        if worker is None or worker.epoch != epoch or worker.phase is Phase.VERIFYING:
            return
        it.files = False  # look at the files again before the next try
        if worker.phase is not Phase.STOPPING:
            yield from self._refuse_all(it, error)
        yield from self._exited(it, epoch, now)

    def _exited(self, it: _Target, epoch: int, now: float) -> Iterator[Effect]:
        worker = it.worker
        if worker is None or worker.epoch != epoch or worker.phase is Phase.VERIFYING:
            return
        if not it.placement.device.verified:
            it.worker = None
            return
        worker.move(Phase.VERIFYING, now)
        worker.running = None
        yield from self._verify(it, worker)

    def _verify(self, it: _Target, worker: _Worker) -> Iterator[Effect]:
        if not worker.verifying:
            worker.verifying = True
            yield Verify(target=it.placement.target, epoch=worker.epoch)

    def _verifies(self, it: _Target, epoch: int) -> bool:
        worker = it.worker
        return (
            worker is not None
            and worker.epoch == epoch
            and worker.phase is Phase.VERIFYING
            and worker.verifying
        )

    def _not_freed(self, it: _Target, epoch: int, error: SpeechhubError) -> Iterator[Effect]:
        """Refuse all who wait for the device: nobody knows when its memory comes back."""
        if it.worker is None or not self._verifies(it, epoch):
            return
        it.worker.verifying = False
        for other in self._on(it.placement.device):
            yield from self._refuse_all(other, error)

    def _on(self, device: Device) -> list[_Target]:
        return [it for it in self._targets.values() if it.placement.device.name == device.name]

    def _refuse_all(self, it: _Target, error: SpeechhubError) -> Sequence[Effect]:
        refused, it.waiting = it.waiting, []
        return [Refuse(ticket=ticket.number, error=error) for ticket in refused]

    def _retire(self, it: _Target, now: float) -> Sequence[Effect]:
        """Let the worker go: now if it is idle, after its work if it is not."""
        worker = it.worker
        if worker is None or worker.phase in (Phase.STOPPING, Phase.VERIFYING):
            return ()
        if worker.running is not None:
            if worker.phase is Phase.READY:
                worker.move(Phase.DRAINING, now)
            return ()
        worker.move(Phase.STOPPING, now)
        return (Stop(target=it.placement.target, epoch=worker.epoch),)

    def _tick(self, now: float) -> Iterator[Effect]:
        for it in self._targets.values():
            for ticket in [ticket for ticket in it.waiting if ticket.deadline <= now]:
                it.waiting.remove(ticket)
                yield Refuse(ticket=ticket.number, error=self._too_late(it))
            worker = it.worker
            if worker is None or self._worker_due(it, worker) > now:
                continue
            if worker.phase is Phase.LOADING:
                waited_s = now - worker.since
                worker.move(Phase.STOPPING, now)
                worker.deadline = math.inf
                yield Stop(target=it.placement.target, epoch=worker.epoch, kill=True)
                yield from self._refuse_all(
                    it,
                    SwitchTimeoutError(
                        f"Model {it.placement.target!r} was not ready after {waited_s:.0f} s. Try again; the "
                        "operator can raise SPEECHHUB_SWITCH_TIMEOUT_S or SPEECHHUB_FIRST_LOAD_TIMEOUT_S.",
                        retry_after_s=10.0,
                    ),
                )
            else:
                yield from self._retire(it, now)

    def _too_late(self, it: _Target) -> RequestTimeoutError:
        return RequestTimeoutError(
            f"The request's time was over before model {it.placement.target!r} was free. Try again later.",
            retry_after_s=10.0,
        )

    def _due(self, it: _Target) -> float:
        first = min((ticket.deadline for ticket in it.waiting), default=math.inf)
        return min(first, self._worker_due(it, it.worker)) if it.worker else first

    def _worker_due(self, it: _Target, worker: _Worker) -> float:
        if worker.phase is Phase.LOADING:
            return worker.deadline
        idle = worker.phase is Phase.READY and worker.running is None and not it.waiting
        if self._pins.get(it.placement.device.name) == it.placement.target:
            return math.inf
        if idle and self._limits.idle_unload_s > 0:
            return worker.idle_since + self._limits.idle_unload_s
        return math.inf

    def _dispatch(self, now: float) -> Iterator[Effect]:  # noqa: C901  # one arm for each state of a head
        """Grant, fetch, load and evict whatever can be, oldest ticket first."""
        for it in self._targets.values():
            if it.worker is not None and it.worker.phase is Phase.DRAINING:
                yield from self._retire(it, now)
        heads = sorted(
            (it for it in self._targets.values() if it.waiting), key=lambda it: it.waiting[0].order
        )
        spoken_for: set[str] = set()  # devices that an older ticket waits for: nobody overtakes it there
        for it in heads:
            worker, device = it.worker, it.placement.device
            if worker is None and not it.files:
                if not it.fetching:
                    it.fetching = True
                    yield Fetch(target=it.placement.target)
                continue  # what has no files yet holds nobody up
            if worker is None and (pinned := self._pinned_out(it)):
                yield from self._refuse_all(it, pinned)
            elif worker is None:
                if device.name not in spoken_for:
                    yield from self._make_room_and_load(it, now)
                spoken_for.add(device.name)
            elif worker.phase is Phase.VERIFYING:
                yield from self._verify(it, worker)
            elif device.name not in spoken_for or not device.exclusive:
                yield from self._grant(it, worker, now)
            if it.waiting and device.exclusive:
                spoken_for.add(device.name)

    def _grant(self, it: _Target, worker: _Worker, now: float) -> Iterator[Effect]:
        while (
            worker.phase is Phase.READY and it.waiting and (it.waiting[0].presence or worker.running is None)
        ):
            ticket = it.waiting.pop(0)
            if not ticket.presence:
                worker.running, worker.granted_at = ticket.number, now
                self._running[ticket.number] = it.placement.target
            yield Grant(ticket=ticket.number, target=it.placement.target, epoch=worker.epoch)

    def _make_room_and_load(self, it: _Target, now: float) -> Iterator[Effect]:
        device, needs_bytes = it.placement.device, it.placement.model.memory_bytes
        here = [other for other in self._on(device) if other.worker is not None]
        tenants = {other.placement.target: self._tenant(other) for other in here}
        for other in here:  # the device's memory did not come back: look again, never load blindly
            if other.worker is not None and other.worker.phase is Phase.VERIFYING:
                yield from self._verify(other, other.worker)
        if has_room(needs_bytes, tenants.values(), device):
            limits = self._limits
            limit_s = limits.switch_timeout_s if it.loaded_before else limits.first_load_timeout_s
            it.worker = _Worker(epoch=next(self._epochs), since=now, idle_since=now, deadline=now + limit_s)
            yield Load(target=it.placement.target, epoch=it.worker.epoch)
            return
        for name in victims_for(it.waiting[0].order, needs_bytes, tenants, device):
            yield from self._retire(self._targets[name], now)

    def _tenant(self, it: _Target) -> Tenant:
        pinned = self._pins.get(it.placement.device.name) == it.placement.target
        worker = it.worker
        return Tenant(
            phase=worker.phase if worker else Phase.LOADING,
            busy=pinned or (worker is not None and worker.running is not None),
            idle_since=worker.idle_since if worker else 0.0,
            oldest_waiting=it.waiting[0].order if it.waiting else None,
            memory_bytes=it.placement.model.memory_bytes,
        )

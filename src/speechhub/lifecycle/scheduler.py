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
    QueueFullError,
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
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    UnloadWanted,
)
from speechhub.lifecycle.placement import Placement
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


class Scheduler:
    """Decides who runs where. One instance for the life of the server, owned by one `Manager`."""

    def __init__(self, placements: Mapping[str, Placement], limits: Limits) -> None:
        self._targets = {name: _Target(placement=placement) for name, placement in placements.items()}
        self._limits = limits
        self._epochs = itertools.count(1)
        self._orders = itertools.count()
        self._front_orders = itertools.count(-1, -1)
        self._running: dict[int, str] = {}
        self._shutting_down = False

    # ── Looking ──────────────────────────────────────────────────────────────

    def state(self, target: str) -> TargetState:
        """Return what is going on around *target*; never decide anything from it."""
        it = self._targets[target]
        worker = it.worker
        return TargetState(
            target=target,
            phase=worker.phase if worker else None,
            epoch=worker.epoch if worker else None,
            since=worker.since if worker else None,
            busy=worker is not None and worker.running is not None,
            waiting=len(it.waiting),
            fetching=it.fetching,
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

    def handle(self, event: Event, now: float) -> Sequence[Effect]:  # noqa: C901  # one arm for each event
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
                effects += self._load_failed(self._targets[name], epoch, error)
            case Exited(target=name, epoch=epoch):
                self._exited(self._targets[name], epoch)
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
        elif len(it.waiting) >= self._limits.queue_limit and not event.front:
            yield Refuse(ticket=event.ticket, error=self._queue_full(it))
        else:
            order = next(self._front_orders if event.front else self._orders)
            it.waiting.append(_Ticket(number=event.ticket, order=order, presence=event.presence))
            it.waiting.sort(key=lambda ticket: ticket.order)

    def _queue_full(self, it: _Target) -> QueueFullError:
        ahead = len(it.waiting) + 1
        return QueueFullError(
            f"{len(it.waiting)} requests already wait for model {it.placement.target!r}. Try again later.",
            retry_after_s=min(60.0, max(1.0, math.ceil(ahead * it.service_s / 2))),
        )

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

    def _load_failed(self, it: _Target, epoch: int, error: SpeechhubError) -> Sequence[Effect]:
        if it.worker is None or it.worker.epoch != epoch:
            return ()
        told_to_stop = it.worker.phase is Phase.STOPPING
        it.worker, it.files = None, False  # look at the files again before the next try
        return () if told_to_stop else self._refuse_all(it, error)

    def _exited(self, it: _Target, epoch: int) -> None:
        if it.worker is not None and it.worker.epoch == epoch:
            it.worker = None

    def _refuse_all(self, it: _Target, error: SpeechhubError) -> Sequence[Effect]:
        refused, it.waiting = it.waiting, []
        return [Refuse(ticket=ticket.number, error=error) for ticket in refused]

    def _retire(self, it: _Target, now: float) -> Sequence[Effect]:
        """Let the worker go: now if it is idle, after its work if it is not."""
        worker = it.worker
        if worker is None or worker.phase is Phase.STOPPING:
            return ()
        if worker.running is not None:
            if worker.phase is Phase.READY:
                worker.move(Phase.DRAINING, now)
            return ()
        worker.move(Phase.STOPPING, now)
        return (Stop(target=it.placement.target, epoch=worker.epoch),)

    def _tick(self, now: float) -> Iterator[Effect]:
        for it in self._targets.values():
            worker = it.worker
            if worker is None or self._due(it) > now:
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

    def _due(self, it: _Target) -> float:
        worker = it.worker
        if worker is None:
            return math.inf
        if worker.phase is Phase.LOADING:
            return worker.deadline
        idle = worker.phase is Phase.READY and worker.running is None and not it.waiting
        if idle and self._limits.idle_unload_s > 0:
            return worker.idle_since + self._limits.idle_unload_s
        return math.inf

    def _dispatch(self, now: float) -> Iterator[Effect]:
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
            if worker is None:
                if device.name not in spoken_for:
                    yield from self._make_room_and_load(it, now)
                spoken_for.add(device.name)
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
        tenants = {
            name: Tenant(
                phase=other.worker.phase,
                busy=other.worker.running is not None,
                idle_since=other.worker.idle_since,
                oldest_waiting=other.waiting[0].order if other.waiting else None,
                memory_bytes=other.placement.model.memory_bytes,
            )
            for name, other in self._targets.items()
            if other.worker is not None and other.placement.device.name == device.name
        }
        if has_room(needs_bytes, tenants.values(), device):
            limits = self._limits
            limit_s = limits.switch_timeout_s if it.loaded_before else limits.first_load_timeout_s
            it.worker = _Worker(epoch=next(self._epochs), since=now, idle_since=now, deadline=now + limit_s)
            yield Load(target=it.placement.target, epoch=it.worker.epoch)
            return
        for name in victims_for(it.waiting[0].order, needs_bytes, tenants, device):
            yield from self._retire(self._targets[name], now)

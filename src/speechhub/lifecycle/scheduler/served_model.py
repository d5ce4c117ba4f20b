"""A model and everything that goes on around it: who waits for it, its worker, what was learnt of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from speechhub.lifecycle.scheduler.breaker import Breaker
from speechhub.lifecycle.scheduler.estimates import ServiceTimes
from speechhub.lifecycle.scheduler.states import MOVES, Phase
from speechhub.placement import Placement

PATIENCE_CALLS: Final = 50
"""Calls that a worker which should be replaced may still get while somebody waits for it all the time."""
MOST_LOSSES: Final = 4
"""How often in a row a device may be lost, with no work done in between: two requests, each tried twice, so
that one request which makes kernels fail stops no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Somebody who waits; times in seconds of the scheduler's clock."""

    number: int
    order: int
    """Smaller goes first; below 0 goes before all who ever came."""
    arrived: float
    keep_warm: bool
    deadline: float
    size: float
    recordings_s: tuple[float, ...]
    """As in `Requested`."""


@dataclass(slots=True, kw_only=True)
class RunningCall:
    """One or more tickets that use a worker together."""

    tickets: set[int]
    """Those whose work has not ended."""
    size: float
    """Of all together."""
    began: float
    finished: bool = True
    """Whether all that has ended was done to its end."""


@dataclass(slots=True, kw_only=True)
class WorkerState:
    """A worker process, from the moment it is asked for until its device is free again."""

    epoch: int
    phase: Phase = Phase.LOADING
    since: float
    """When its phase began."""
    deadline: float = math.inf
    """When its loading must be over."""
    idle_since: float
    switch_began: float | None = None
    """When the engine before it was told to stop for it; None if the device was empty."""
    running: RunningCall | None = None
    calls: int = 0
    """How often it was granted."""
    most_recordings: int
    """How many recordings fit into one call, as its engine says or as was found out."""
    recycle_from: float
    """Number of calls from which it is replaced when nobody waits for it; below 0, whoever waits."""
    verifying: bool = False
    """Whether an answer to `Verify` is due."""

    def move(self, phase: Phase, now: float) -> None:
        """Go to *phase*; a move that `MOVES` doesn't know is a bug."""
        if phase not in MOVES[self.phase]:
            raise AssertionError(f"illegal move {self.phase} → {phase}")
        self.phase, self.since = phase, now


@dataclass(slots=True, kw_only=True)
class ServedModel:
    """One for each model, for the life of the scheduler."""

    placement: Placement
    waiting: list[Ticket] = field(default_factory=list)
    """In the order in which they will be served."""
    worker: WorkerState | None = None
    files: bool = False
    """Whether its files are known to be on disk."""
    fetching: bool = False
    leaves_for: Placement | None = None
    """Where it goes as soon as nothing of its worker is left; None if it stays."""
    loaded_before: bool = False
    last_here: float = -math.inf
    """When it had a worker that was ready, last."""
    service: ServiceTimes = field(default_factory=ServiceTimes)
    breaker: Breaker = field(default_factory=Breaker)
    losses: int = 0
    """How often its worker lost its device since work was last done."""

    @property
    def id(self) -> str:
        """The model's id."""
        return self.placement.model.id

    def enqueue(self, ticket: Ticket) -> None:
        """Put *ticket* into its place."""
        self.waiting.append(ticket)
        self.waiting.sort(key=lambda ticket: ticket.order)

    def withdraw(self, number: int) -> None:
        """Take a ticket out, if it waits."""
        self.waiting = [ticket for ticket in self.waiting if ticket.number != number]

    def take_expired(self, now: float) -> Iterator[Ticket]:
        """Take out and yield whose deadline has come."""
        for ticket in [ticket for ticket in self.waiting if ticket.deadline <= now]:
            self.waiting.remove(ticket)
            yield ticket

    def phase_is(self, *phases: Phase) -> bool:
        """Return whether there is a worker in one of *phases*."""
        return self.worker is not None and self.worker.phase in phases

    def running_s(self, now: float) -> float:
        """Return how long the running work will still take, as predicted; 0 without any."""
        running = self.worker.running if self.worker else None
        return max(0.0, running.began + self.service.predict(running.size) - now) if running else 0.0

    def free_work(self, ticket: int, now: float, *, finished: bool) -> None:
        """End the work of *ticket*, if the worker still has it; it is free when it has none left."""
        worker = self.worker
        running = worker.running if worker is not None else None
        if worker is None or running is None or ticket not in running.tickets:
            return
        running.tickets.remove(ticket)
        running.finished &= finished
        if not running.tickets:
            if running.finished:
                self.service.note(now - running.began, running.size)
                self.losses = 0
                self.breaker.succeed()
            worker.running, worker.idle_since = None, now

    def is_due_for_recycling(self) -> bool:
        """Return whether its worker should be replaced now."""
        worker = self.worker
        if worker is None or worker.phase is not Phase.READY or worker.calls < worker.recycle_from:
            return False
        idle = worker.running is None and not self.waiting
        return idle or worker.calls >= worker.recycle_from + PATIENCE_CALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelActivity:
    """A look at one model; times in seconds of the scheduler's clock."""

    model: str
    phase: Phase | None
    epoch: int | None
    since: float | None
    busy: bool
    waiting: int
    fetching: bool
    pinned: bool
    oldest: float | None
    """When the one who waits longest came; None if nobody waits."""
    used: float | None
    """When its engine was last done with work, or got ready; None without a worker."""
    failures: int
    """Loads that failed in a row."""
    failing_until: float | None
    """When the next load may be tried; None if the last one went well."""
    failure: str | None
    """What the last load failed with; None if it went well."""
    failure_public: str | None = None
    """The same for clients that do not operate the server."""

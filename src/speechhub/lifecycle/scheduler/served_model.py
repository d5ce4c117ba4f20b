"""A model with its queue, its worker, and what the scheduler has learnt about it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from speechhub.lifecycle.scheduler.breaker import Breaker
from speechhub.lifecycle.scheduler.estimates import ServiceTimes
from speechhub.lifecycle.scheduler.states import MOVES, Phase
from speechhub.placement import Placement

PATIENCE_CALLS: Final = 50
"""Calls that a worker which should be replaced may still get while its queue is never empty."""
MOST_LOSSES: Final = 4
"""How often in a row a model may lose its device before it is paused: two requests, each tried twice, so that
a single request that makes kernels fail does not stop the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request that waits; times in seconds of the scheduler's clock."""

    number: int
    order: int
    """Smaller goes first; below 0 goes before all tickets that came in the usual way."""
    arrived: float
    keep_warm: bool
    deadline: float
    size: float
    recordings_s: tuple[float, ...]
    """As in `Requested`."""


@dataclass(slots=True, kw_only=True)
class RunningCall:
    """The call that a worker is running, for one ticket or for several together."""

    tickets: set[int]
    """Tickets whose work has not ended."""
    size: float
    """Size of all its tickets together."""
    began: float
    finished: bool = True
    """Whether all work that has ended was done to its end."""
    spare: bool = False
    """Whether it is for a ticket of `Requested.spare`."""


@dataclass(slots=True, kw_only=True)
class WorkerState:
    """A worker process, from the moment it is asked for until its device is free again."""

    epoch: int
    phase: Phase = Phase.LOADING
    since: float
    """When its phase began."""
    deadline: float = math.inf
    """When its load times out."""
    idle_since: float
    switch_began: float | None = None
    """When the engine before it was told to stop for it; None if the device had none."""
    running: RunningCall | None = None
    calls: int = 0
    """Number of calls that it was granted for."""
    used: bool = False
    """Whether one of them was not spare, so that the load has served its purpose."""
    most_recordings: int
    """How many recordings fit into one call, as its engine says, or fewer once a call ran out of memory."""
    recycle_from: float
    """Calls after which it is replaced once no request waits for it; below 0, even while requests wait."""
    verifying: bool = False
    """Whether a `Verify` has not been answered yet."""

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
    """Whether its files are known to be on disk, complete."""
    fetching: bool = False
    leaves_for: Placement | None = None
    """Placement to which the model moves once its worker is gone; None if it stays."""
    loaded_before: bool = False
    last_here: float = -math.inf
    """When it last had a worker that was ready."""
    service: ServiceTimes = field(default_factory=ServiceTimes)
    breaker: Breaker = field(default_factory=Breaker)
    losses: int = 0
    """How often its worker lost its device since work was last done."""

    @property
    def id(self) -> str:
        """The model's id."""
        return self.placement.model.id

    def enqueue(self, ticket: Ticket) -> None:
        """Add *ticket* to the queue, in its order."""
        self.waiting.append(ticket)
        self.waiting.sort(key=lambda ticket: ticket.order)

    def withdraw(self, number: int) -> None:
        """Remove a ticket from the queue, if it waits."""
        self.waiting = [ticket for ticket in self.waiting if ticket.number != number]

    def take_expired(self, now: float) -> Iterator[Ticket]:
        """Remove and yield the tickets whose deadline has come."""
        for ticket in [ticket for ticket in self.waiting if ticket.deadline <= now]:
            self.waiting.remove(ticket)
            yield ticket

    def phase_is(self, *phases: Phase) -> bool:
        """Return whether there is a worker in one of *phases*."""
        return self.worker is not None and self.worker.phase in phases

    def running_s(self, now: float) -> float:
        """Return how long the running call will still take, as predicted; 0 without one."""
        running = self.worker.running if self.worker else None
        return max(0.0, running.began + self.service.predict(running.size) - now) if running else 0.0

    def free_work(self, ticket: int, now: float, *, finished: bool) -> None:
        """End the work of *ticket*, if the worker has it; the last one of a call leaves the worker idle."""
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
            worker.running = None
            if not running.spare:
                worker.idle_since = now

    def runs_spare(self, ticket: int) -> bool:
        """Return whether the worker is running the spare call of *ticket*."""
        running = self.worker.running if self.worker is not None else None
        return running is not None and running.spare and ticket in running.tickets

    def is_due_for_recycling(self) -> bool:
        """Return whether its worker should be replaced now."""
        worker = self.worker
        if worker is None or worker.phase is not Phase.READY or worker.calls < worker.recycle_from:
            return False
        idle = worker.running is None and not self.waiting
        return idle or worker.calls >= worker.recycle_from + PATIENCE_CALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelActivity:
    """What is going on around one model; times in seconds of the scheduler's clock."""

    model: str
    phase: Phase | None
    epoch: int | None
    since: float | None
    busy: bool
    waiting: int
    fetching: bool
    pinned: bool
    oldest: float | None
    """When the oldest waiting ticket came; None if none waits."""
    used: float | None
    """When its engine last ended a call that was not spare, or became ready; None without a worker."""
    failures: int
    """Loads that failed in a row."""
    failing_until: float | None
    """When the next load may start; None if the last one succeeded."""
    failure: str | None
    """Error of the last load; None if it succeeded."""
    failure_public: str | None = None
    """The same for clients that are not operators."""

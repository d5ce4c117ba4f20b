"""A world in virtual time, which carries out the real scheduler's decisions and records what happens."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from speechhub.discovery import InstalledEngine
from speechhub.engine import EngineSpec, ModelSpec, Slot, SttCapabilities, TtsCapabilities
from speechhub.errors import EngineLoadError, SpeechhubError
from speechhub.lifecycle.scheduler.estimates import Mean
from speechhub.lifecycle.scheduler.events import (
    Done,
    Effect,
    Event,
    Exited,
    Fetch,
    Fetched,
    Freed,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Refuse,
    Requested,
    Stop,
    Ticked,
    Verify,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.placement import Device, Placement

GPU = Device(name="cuda:0", exclusive=True)
HOUR_S: Final = 3600.0


@dataclass(slots=True)
class Clock:
    """Virtual time, and what is due; several worlds may share one."""

    now: float = 0.0
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call *action* after *delay_s*."""
        heapq.heappush(self._due, (self.now + delay_s, next(self._numbers), action))

    def run(self, until_s: float, is_over: Callable[[], bool]) -> None:
        """Run until *until_s*, and then until *is_over*."""
        while self._due:
            time, _, action = self._due[0]
            if time > until_s and is_over():
                return
            heapq.heappop(self._due)
            self.now = max(self.now, time)
            action()


@dataclass(slots=True, kw_only=True)
class Ticket:
    """One request, from its arrival to its end; times in seconds."""

    model: str
    arrived: float
    service_s: float
    size: float
    ahead: int
    """Tickets of the same model that waited or ran when it arrived."""
    granted: float | None = None
    ended: float | None = None
    error: SpeechhubError | None = None
    attempts: int = 0
    shares: bool = False
    """Whether it may share a call."""
    after: Callable[[], None] | None = None
    """Called when it is over, however it ended."""

    @property
    def wait_s(self) -> float:
        """Time until it got its engine; for a retried request, the last time."""
        return (self.granted if self.granted is not None else float("nan")) - self.arrived


@dataclass(slots=True, kw_only=True)
class Costs:
    """How long a world's engines take, in seconds, and how they fail."""

    pace: float = 1.0
    """Factor for the time of every request."""
    stop_s: float = 0.5
    call_s: float = 0.35
    """Fixed time of a call, whatever its size: a request that shares a call saves it."""
    verify_s: float = 0.1
    load_s: float = 2.4
    crashes: float = 0.0
    """Probability that a request ends its worker, half-way."""
    load_failures: float = 0.0

    @classmethod
    def of_switch(cls, switch_s: float) -> "Costs":
        """Return costs that add up to *switch_s*."""
        return cls(stop_s=0.15 * switch_s, verify_s=0.05 * switch_s, load_s=0.8 * switch_s)


def _placement(name: str, slot: Slot, max_batch: int) -> Placement:
    spec = EngineSpec(
        name=name,
        slot=slot,
        factory="nowhere:Engine",
        capabilities=SttCapabilities(max_batch=max_batch) if slot is Slot.STT else TtsCapabilities(),
        devices=("cuda",),
        models=(ModelSpec(id=name),),
    )
    engine = InstalledEngine(spec=spec, distribution=name, python=Path("/nowhere"))
    return Placement(engine=engine, model=spec.models[0], device=GPU)


@dataclass(slots=True, kw_only=True)
class World:
    """One GPU, the engines ``stt`` and ``tts``, and a clock that jumps to the next event."""

    limits: Limits
    costs: Costs
    rng: random.Random
    max_batch: int = 1
    """Recordings that ``stt`` takes in one call."""
    clock: Clock = field(default_factory=Clock)
    length_s: float = HOUR_S
    """For how long clients come."""
    tickets: dict[int, Ticket] = field(default_factory=dict)
    switches: int = 0
    turns: list[float] = field(default_factory=list)
    """When an engine was loaded after another model's."""
    busy_s: float = 0.0
    work_s: dict[str, float] = field(default_factory=lambda: {"stt": 0.0, "tts": 0.0})
    """Model → engine time of calls that were done."""
    on_ready: Callable[[str], None] | None = None
    """Called with the model of a worker that became ready."""
    max_waiting: int = 0
    longest_call_s: float = 0.0
    largest_call: int = 0
    """Most requests that shared a call."""
    scheduler: Scheduler = field(init=False)
    service_s: dict[str, Mean] = field(default_factory=lambda: {"stt": Mean(1.0), "tts": Mean(1.0)})
    """Model → running mean of its calls."""
    version: int = 0
    """Grows with each event."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _open: set[int] = field(default_factory=set)
    """Tickets that are not over."""
    _epochs: dict[int, str] = field(default_factory=dict)
    """Workers that exist, from Load to Freed."""
    _wake: float | None = None
    _last: str | None = None
    """Model that was loaded last."""

    def __post_init__(self) -> None:
        models = [_placement("stt", Slot.STT, self.max_batch), _placement("tts", Slot.TTS, 1)]
        self.scheduler = Scheduler({placed.model.id: placed for placed in models}, self.limits)

    @property
    def now(self) -> float:
        """Seconds of the clock."""
        return self.clock.now

    @property
    def open(self) -> int:
        """How many requests are not over."""
        return len(self._open)

    @property
    def open_tickets(self) -> list[int]:
        """Requests that are not over, in the order of their arrival."""
        return sorted(self._open)

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call *action* after *delay_s*."""
        self.clock.at(delay_s, action)

    def ask(self, model: str, service_s: float, size: float, after: Callable[[], None] | None = None) -> None:
        """Send a request for *model* now."""
        number = next(self._numbers)
        ahead = sum(self.tickets[other].model == model for other in self._open)
        self.tickets[number] = Ticket(
            model=model,
            arrived=self.now,
            service_s=service_s * self.costs.pace,
            size=size,
            ahead=ahead,
            shares=model == "stt",
            after=after,
        )
        self._open.add(number)
        self._request(number, front=False)

    def run(self, until_s: float) -> None:
        """Run until *until_s*, and then until no work is left."""
        self.clock.run(until_s, lambda: not self._open)

    # ── Feeding the scheduler ────────────────────────────────────────────────

    def _post(self, event: Event) -> None:
        self.version += 1
        for effect in self.scheduler.handle(event, self.now):
            self._carry_out(effect)
        self.max_waiting = max(self.max_waiting, *(state.waiting for state in self.scheduler.states()))
        wake = self.scheduler.next_wake()
        if wake is not None and wake != self._wake:
            self._wake = wake
            self.at(max(0.0, wake - self.now), lambda: self._tick(wake))

    def _tick(self, due: float) -> None:
        if due == self._wake:
            self._wake = None
            self._post(Ticked())

    def _later(self, delay_s: float, event: Event) -> None:
        self.at(delay_s, lambda: self._post(event))

    def _request(self, number: int, *, front: bool) -> None:
        ticket = self.tickets[number]
        recordings_s = (ticket.size,) if ticket.shares and not front else ()
        self._post(
            Requested(
                ticket=number, model=ticket.model, size=ticket.size, recordings_s=recordings_s, front=front
            )
        )

    def _carry_out(self, effect: Effect) -> None:
        costs = self.costs
        match effect:
            case Fetch(model=model):
                self._later(0.0, Fetched(model=model))
            case Load(model=model, epoch=epoch):
                assert not self._epochs, "two engines on the GPU"
                self._epochs[epoch] = model
                self.switches += 1
                if self._last not in (None, model):
                    self.turns.append(self.now)
                self._last = model
                self.at(costs.load_s, lambda: self._loaded(model, epoch))
            case Stop(model=model, epoch=epoch):
                self._later(costs.stop_s, Exited(model=model, epoch=epoch))
            case Verify(model=model, epoch=epoch):
                self.at(costs.verify_s, lambda: self._freed(model, epoch))
            case Grant(tickets=numbers, epoch=epoch):
                self._run(numbers, epoch)
            case Refuse(ticket=number, error=error):
                self.tickets[number].error = error
                self._end(number)

    def _loaded(self, model: str, epoch: int) -> None:
        if self.rng.random() < self.costs.load_failures:
            self._post(LoadFailed(model=model, epoch=epoch, error=EngineLoadError("bad luck")))
            return
        self._post(Loaded(model=model, epoch=epoch))
        if self.on_ready is not None:
            self.on_ready(model)

    def _freed(self, model: str, epoch: int) -> None:
        del self._epochs[epoch]
        self._post(Freed(model=model, epoch=epoch))

    def _run(self, numbers: tuple[int, ...], epoch: int) -> None:
        for number in numbers:
            ticket = self.tickets[number]
            ticket.granted = self.now
            ticket.attempts += 1
        saved_s = (len(numbers) - 1) * self.costs.call_s * self.costs.pace
        took_s = sum(self.tickets[number].service_s for number in numbers) - saved_s
        self.longest_call_s = max(self.longest_call_s, took_s)
        self.largest_call = max(self.largest_call, len(numbers))
        if self.rng.random() < self.costs.crashes:
            self.busy_s += took_s / 2
            self.at(took_s / 2, lambda: self._crash(numbers, epoch))
        else:
            self.busy_s += took_s
            self.at(took_s, lambda: self._finish(numbers, took_s))

    def _finish(self, numbers: tuple[int, ...], took_s: float) -> None:
        model = self.tickets[numbers[0]].model
        self.work_s[model] += took_s
        self.service_s[model].add(took_s)
        for number in numbers:
            self._end(number)
        for number in numbers:
            self._post(Done(ticket=number))

    def _crash(self, numbers: tuple[int, ...], epoch: int) -> None:
        self._post(Exited(model=self.tickets[numbers[0]].model, epoch=epoch))
        for number in numbers:
            self._post(Done(ticket=number, finished=False))
        for number in numbers:
            ticket = self.tickets[number]
            if ticket.attempts == 1:
                self._request(number, front=True)
            else:
                ticket.error = EngineLoadError("crashed twice")
                self._end(number)

    def _end(self, number: int) -> None:
        ticket = self.tickets[number]
        assert ticket.ended is None, "a ticket ended twice"
        ticket.ended = self.now
        self._open.remove(number)
        if ticket.after is not None:
            self.at(0.0, ticket.after)

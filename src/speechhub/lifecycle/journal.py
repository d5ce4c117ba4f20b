"""Record of the scheduler's events and effects: the story, waits, ends, and whether queues move."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from speechhub.lifecycle.scheduler.events import (
    Cancelled,
    Done,
    Effect,
    Event,
    Exited,
    Fetched,
    Freed,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Refuse,
    Requested,
    Stop,
    Unasked,
)
from speechhub.lifecycle.scheduler.served_model import ModelActivity
from speechhub.lifecycle.scheduler.story import Story
from speechhub.metrics import Metrics
from speechhub.placement import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    model: str
    since: float
    keep_warm: bool = False


class Journal:
    """Listens to a manager, one for its life, and feeds the metrics; times are of its clock."""

    def __init__(self, placements: Mapping[str, Placement], metrics: Metrics) -> None:
        self.story = Story(placements)
        """The last events, and why requests wait."""
        self._placements = placements
        self._metrics = metrics
        self._waiting: dict[int, _Held] = {}
        self._running: dict[int, _Held] = {}
        self._living: set[int] = set()
        self._told: dict[int, str] = {}
        """Workers that were told to stop → the cause that their end is counted under."""
        self._guessed: set[int] = set()
        """Workers that were made ready ahead of a request, and that no request has used yet."""
        self._moved: dict[str, float] = {}

    def __call__(self, event: Event, effects: Sequence[Effect], now: float) -> None:
        """Take note of an event and of what the scheduler made of it."""
        self.story.note(event, effects, now)
        self._event(event, now)
        for effect in effects:
            self._effect(effect, now)

    def oldest(self, model: str) -> float | None:
        """Return when the oldest request that waits for *model* came; None if none waits."""
        return min((held.since for held in self._waiting.values() if held.model == model), default=None)

    def stalled(
        self, states: Iterable[ModelActivity], now: float, *, idle_bound_s: float, busy_bound_s: float
    ) -> list[str]:
        """Return the models whose queue does not move.

        A queue stands still while nothing on its device was granted, done, loaded or ended. While files are
        fetched it may wait: how far that is stands in the log, and the network sets the time.

        Args:
            states: Of all models.
            now: The time.
            idle_bound_s: How long it may stand still while no engine works on the device.
            busy_bound_s: The same while one does.
        """
        states = list(states)
        working = {self._device(state.model) for state in states if state.busy}
        found = []
        for state in states:
            oldest = self.oldest(state.model)
            if oldest is None or state.fetching:
                continue
            device = self._device(state.model)
            bound_s = busy_bound_s if device in working else idle_bound_s
            if now - max(oldest, self._moved.get(device, oldest)) > bound_s:
                found.append(state.model)
        return found

    def _device(self, model: str) -> str:
        return self._placements[model].device.name

    def _move(self, model: str, now: float) -> None:
        self._moved[self._device(model)] = now

    def _event(self, event: Event, now: float) -> None:
        match event:
            case Requested(spare=True):
                pass  # it neither waits, nor is it a request of a client that could be refused or cancelled
            case Requested(ticket=ticket, model=model, front=front, keep_warm=keep_warm):
                self._waiting[ticket] = _Held(model=model, since=now, keep_warm=keep_warm)
                if front:
                    self._metrics.requeued()
            case Cancelled(ticket=ticket):
                held = self._waiting.pop(ticket, None) or self._running.pop(ticket, None)
                if held is not None:
                    self._metrics.cancelled("waiting")
            case Done(ticket=ticket):
                if (held := self._running.pop(ticket, None)) is not None:
                    self._metrics.served(held.model, now - held.since)
                    self._move(held.model, now)
            case Fetched(model=model) | Loaded(model=model) | Freed(model=model):
                self._move(model, now)
            case Exited(model=model, epoch=epoch) | LoadFailed(model=model, epoch=epoch):
                self._ended(epoch, failed=isinstance(event, LoadFailed))
                self._move(model, now)

    def _ended(self, epoch: int, *, failed: bool) -> None:
        if epoch not in self._living:  # several see a worker's end
            return
        self._living.discard(epoch)
        if epoch in self._guessed:
            self._guessed.discard(epoch)
            self._metrics.speculated(hit=False)
        told = self._told.pop(epoch, None)
        self._metrics.worker_ended(told or ("load_failed" if failed else "crashed"))

    def _effect(self, effect: Effect, now: float) -> None:
        match effect:
            case Grant(tickets=tickets, model=model, epoch=epoch):
                self._granted(tickets, model, epoch, now)
                self._move(model, now)
            case Refuse(ticket=ticket, error=error):
                if self._waiting.pop(ticket, None) is not None:
                    self._metrics.rejected(error.code or type(error).__name__)
            case Load(epoch=epoch, unasked=unasked):
                self._living.add(epoch)
                if unasked is Unasked.SPECULATION:
                    self._guessed.add(epoch)
            case Stop(epoch=epoch, recycled=recycled):
                self._told[epoch] = "recycled" if recycled else "stopped"

    def _granted(self, tickets: Sequence[int], model: str, epoch: int, now: float) -> None:
        held = {number: it for number in tickets if (it := self._waiting.pop(number, None)) is not None}
        using = {number: it for number, it in held.items() if not it.keep_warm}
        for number, it in using.items():
            self._metrics.waited(model, now - it.since)
            self._running[number] = _Held(model=model, since=now)
        if not using:
            return
        if self._placements[model].max_batch > 1:
            self._metrics.shared(model, len(using))
        if epoch in self._guessed:
            self._guessed.discard(epoch)
            self._metrics.speculated(hit=True)

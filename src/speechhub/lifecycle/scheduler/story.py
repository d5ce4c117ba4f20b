"""The last events with their effects and times, and why each request waits, in plain words.

As dask/distributed keeps its ``stimulus_log``: what was recorded can be fed to a fresh `Scheduler`, which
decides the same. Events carry numbers of requests and names of models, and nothing that a client sent.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from speechhub.lifecycle.scheduler.events import Done, Effect, Event, Grant, Refuse, Requested, Ticked
from speechhub.lifecycle.scheduler.record import recorded
from speechhub.lifecycle.scheduler.situation import Moment, RecordedWorker, Situation
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.scheduler.wording import after, before, counted, subjects, verb
from speechhub.placement import Placement

KEPT: Final = 500
"""How many events are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldMoment:
    """A moment of the record, and what happened then, in words."""

    moment: Moment
    devices: frozenset[str]
    """Where it happened; several only when a model moved, or when it was about the server."""
    lines: tuple[str, ...]
    """What happened, what was done about it, and why requests wait because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The requests that wait for one model, and why."""

    model: str
    device: str
    requests: tuple[int, ...]
    """Their numbers, in the order in which they will be served."""
    oldest_s: float
    """For how long the first of them has waited."""
    reason: str

    @property
    def line(self) -> str:
        """All of it as a sentence."""
        oldest = (
            f"{self.oldest_s:.1f} s" if len(self.requests) == 1 else f"the first for {self.oldest_s:.1f} s"
        )
        waits = verb("wait", self.requests)
        return f"{counted(self.requests)} for {self.model} {waits}, {oldest} so far: {self.reason}."


class Story:
    """A ring of moments; one for each server."""

    def __init__(self, placements: Mapping[str, Placement], *, kept: int = KEPT) -> None:
        """Begin with nothing, before the first event."""
        self.moments: deque[Moment] = deque()
        """The last ones, the newest last."""
        self._kept = kept
        self._before = Situation.first(placements)
        """The situation before the first moment that is still there."""

    def note(self, event: Event, effects: Sequence[Effect], now: float) -> None:
        """Remember an event and its effects, unless nothing changes.

        That is a tick without effects, or a spare request that is refused: live sessions make many of them.
        """
        if isinstance(event, Ticked) and not effects:
            return
        if isinstance(event, Requested) and event.spare and all(isinstance(it, Refuse) for it in effects):
            return
        kept = tuple(recorded(effect) for effect in effects)
        self.moments.append(Moment(at=now, event=recorded(event), effects=kept))
        while len(self.moments) > self._kept:
            self._before.go_on(self.moments.popleft())

    def told(self, device: str | None = None) -> list[ToldMoment]:
        """Return what happened, the oldest first; on one device, or on all."""
        told = tell(self._before, self.moments)
        return [moment for moment in told if device is None or device in moment.devices]

    def waits(self, now: float) -> list[Wait]:
        """Return why requests wait at present, a `Wait` for each model that requests wait for."""
        return waits(self.situation(), now)

    def situation(self) -> Situation:
        """Return what goes on after the last moment."""
        situation = self._before.copy()
        for moment in self.moments:
            situation.go_on(moment)
        return situation


def tell(first: Situation, moments: Sequence[Moment]) -> Iterator[ToldMoment]:
    """Yield what moments mean.

    Args:
        first: What went on before the first of them; it is left as it is.
        moments: In the order in which they happened.
    """
    situation = first.copy()
    for moment in moments:
        models = [model for what in (moment.event, *moment.effects) for model in subjects(what, situation)]
        devices = {situation.device_of(model).name for model in models}
        lines = [before(moment.event, situation)]
        situation.happened(moment.event, moment.at)
        for effect in moment.effects:
            lines.append(after(effect, moment, situation))
            situation.decided(effect, moment.at)
        lines += _still_waiting(moment, situation)
        devices |= {situation.device_of(model).name for model in models}
        every = frozenset(placement.device.name for placement in situation.placements.values())
        yield ToldMoment(moment=moment, devices=frozenset(devices) or every, lines=tuple(filter(None, lines)))


def waits(situation: Situation, now: float) -> list[Wait]:
    """Return why requests wait in a situation, a `Wait` for each model that requests wait for."""
    models = dict.fromkeys(request.model for request in situation.waiting.values())
    return [
        Wait(
            model=model,
            device=situation.device_of(model).name,
            requests=tuple(queue := situation.queue(model)),
            oldest_s=now - situation.waiting[queue[0]].since,
            reason=reason(model, situation, now),
        )
        for model in models
    ]


def reason(model: str, situation: Situation, now: float) -> str:
    """Return why the requests for a model wait.

    Args:
        model: One that requests wait for.
        situation: What goes on.
        now: Seconds of the scheduler's clock.
    """
    device = situation.device_of(model)
    if (worker := situation.workers.get(model)) is not None:
        return _own(model, worker, device.name, now)
    if model in situation.fetching:
        return f"the server is looking for the files of {model}, and fetches what is missing"
    others = list(situation.others(model))
    if not others:
        return f"nothing in the record says why; {device.name} has no engine"
    if device.exclusive:
        return " and ".join(_other(other, worker, situation, now) for other, worker in others)
    engines = ", ".join(f"{other} ({_doing(worker)})" for other, worker in others)
    return f"{device.name} has no room for {model} beside {engines}"


def _own(model: str, worker: RecordedWorker, device: str, now: float) -> str:
    """Return why requests wait for a model that has a worker."""
    since = f"for {now - worker.since:.1f} s"
    match worker.phase:
        case Phase.LOADING:
            return f"{model} has been loading on {device} {since}"
        case Phase.READY if worker.running:
            return f"{model} is busy on {device} until {_ends(worker)}"
        case Phase.READY:
            return f"nothing in the record says why; {model} is ready on {device} and idle"
        case Phase.DRAINING:
            return f"{model} is to be unloaded from {device}, and loaded again, once {_ends(worker)}"
        case Phase.STOPPING:
            return (
                f"the last worker of {model} has been stopping on {device} {since}; it is loaded again then"
            )
        case Phase.VERIFYING:
            return _verifying(model, worker, device, since)


def _other(model: str, worker: RecordedWorker, situation: Situation, now: float) -> str:
    """Return why requests wait for a model whose device another *model* has to itself."""
    device, since = situation.device_of(model).name, f"for {now - worker.since:.1f} s"
    match worker.phase:
        case Phase.LOADING:
            return f"{model} has been loading on {device} {since}, and serves its own requests first"
        case Phase.READY if worker.running:
            ahead = situation.queue(model)
            more = f"; {counted(ahead)} for {model} {verb('wait', ahead)}, too" if ahead else ""
            return f"{model} is busy on {device} until {_ends(worker)}{more}"
        case Phase.READY:
            return f"{model} is ready on {device} and idle"
        case Phase.DRAINING:
            return f"{model} is unloaded from {device} once {_ends(worker)}"
        case Phase.STOPPING:
            return f"{model} has been stopping on {device} {since}"
        case Phase.VERIFYING:
            return _verifying(model, worker, device, since)


def _verifying(model: str, worker: RecordedWorker, device: str, since: str) -> str:
    proof = f"the process of {model} ended, and {device} has not been proved to have its memory back {since}"
    return f"{proof} ({worker.problem})" if worker.problem else proof


def _ends(worker: RecordedWorker) -> str:
    running = worker.running
    if len(running) == 1:
        return f"its running request {running[0]} ends"
    return f"its {len(running)} running requests ({', '.join(map(str, running))}) end"


def _doing(worker: RecordedWorker) -> str:
    if worker.phase is not Phase.READY:
        return worker.phase.value
    return "busy" if worker.running else "idle"


def _still_waiting(moment: Moment, situation: Situation) -> Iterator[str]:
    """Yield why a new request waits, and why others keep waiting when a call begins."""
    event = moment.event
    if isinstance(event, Requested) and event.ticket in situation.waiting:
        ahead = situation.queue(event.model).index(event.ticket)
        behind = f" behind {ahead} more" if ahead else ""
        why = reason(event.model, situation, moment.at)
        yield f"request {event.ticket} for {event.model} waits{behind}: {why}."
    if isinstance(event, Done):
        for effect in moment.effects:
            if isinstance(effect, Grant):
                device = situation.device_of(effect.model)
                for wait in waits(situation, moment.at):
                    if device.exclusive and wait.device == device.name and wait.model != effect.model:
                        yield wait.line

"""Switches of engines, and how long each of their steps took."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

KEPT: Final = 500
"""How many switches are remembered; the statistics cover these."""
FREE: Final = "none"
"""Stands for the leaving model where the device was free."""


class Step(StrEnum):
    """A phase of a switch, in order; each is 0 s long in a switch that has none of it."""

    DRAIN = "drain"
    """The leaving engine finishes its work."""
    STOP = "stop"
    """It closes; its process ends and is reaped."""
    VERIFY = "verify"
    """The driver reports that its memory is free."""
    START = "start"
    """The process of the next engine starts, or its standby worker is taken over."""
    IMPORT = "import"
    """It imports its libraries."""
    LOAD = "load"
    """It loads the model and warms up."""
    OWN = "own"
    """Everything else: the manager's own time."""


class Cause(StrEnum):
    """Why an engine was loaded."""

    REQUEST = "request"
    """A client's request waits to use it, or somebody speaks whose words it will transcribe."""
    OPERATOR = "operator"
    """An operator, or the list of models to preload, wants it ready."""
    SPECULATION = "speculation"
    """No request waits; it is likely the next one."""
    RECYCLING = "recycling"
    """No request waits; its worker was replaced."""


class Result(StrEnum):
    """How a switch ended."""

    READY = "ready"
    FAILED = "failed"
    """The engine could not be loaded, or was told to stop while it loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One engine came onto a device, and perhaps one left it before; all times are in seconds."""

    device: str
    leaving: str | None
    """Model that had the device before; None if it was free."""
    target: str
    """Model that came."""
    cause: Cause
    standby: bool
    """Whether the worker was a standby worker; otherwise it started cold."""
    result: Result
    steps_s: Mapping[Step, float]
    """How long each step took; they add up to the total."""
    total_s: float
    """From the first step until the waiting requests have the engine."""

    @property
    def direction(self) -> tuple[str, str]:
        """Models left and entered, `FREE` for a device that had none."""
        return self.leaving or FREE, self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Some durations of one kind, in seconds."""

    count: int
    last_s: float
    mean_s: float
    p50_s: float
    p95_s: float


@dataclass(slots=True, kw_only=True)
class _Leaving:
    model: str
    began: float
    steps_s: dict[Step, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Coming:
    model: str
    leaving: str | None
    began: float
    cause: Cause
    standby: bool = False
    steps_s: dict[Step, float] = field(default_factory=dict)


class SwitchLog:
    """Remembers the last switches; the manager feeds it, with times of its clock, and others read it."""

    def __init__(self) -> None:
        self.recent: deque[Switch] = deque(maxlen=KEPT)
        """The last switches, the newest last."""
        self._leaving: dict[str, _Leaving] = {}
        self._coming: dict[int, _Coming] = {}
        self._observers: list[Callable[[Switch], None]] = []

    def observe(self, observer: Callable[[Switch], None]) -> None:
        """Have *observer* called with every switch, as soon as it is over; it must be quick."""
        self._observers.append(observer)

    def spreads(self, steps: Iterable[Step] = Step) -> dict[tuple[str, str], dict[str, Spread]]:
        """Return direction → step, or ``total``, → how long it took; over remembered successes."""
        found: dict[tuple[str, str], list[Switch]] = {}
        for switch in self.recent:
            if switch.result is Result.READY:
                found.setdefault(switch.direction, []).append(switch)
        kinds = tuple(steps)
        return {
            direction: {
                **{step.value: _spread([s.steps_s[step] for s in switches]) for step in kinds},
                "total": _spread([s.total_s for s in switches]),
            }
            for direction, switches in found.items()
        }

    # ── For the manager ──────────────────────────────────────────────────────

    def left(self, device: str, model: str, step: Step, began: float, now: float) -> None:
        """Note that a step of leaving *device* is over."""
        leaving = self._leaving.get(device)
        if leaving is None or leaving.model != model:
            leaving = self._leaving[device] = _Leaving(model=model, began=began)
        leaving.steps_s[step] = leaving.steps_s.get(step, 0.0) + now - began

    def vacant(self, device: str) -> None:
        """Note that no engine follows the one that left *device*: it was no switch."""
        self._leaving.pop(device, None)

    def coming(self, epoch: int, device: str, model: str, cause: Cause, now: float) -> None:
        """Note that *model* is being loaded, as worker *epoch*."""
        leaving = self._leaving.pop(device, None)
        self._coming[epoch] = _Coming(
            model=model,
            leaving=leaving.model if leaving else None,
            began=leaving.began if leaving else now,
            cause=cause,
            steps_s=leaving.steps_s if leaving else {},
        )

    def came(self, epoch: int, step: Step, took_s: float, *, standby: bool = False) -> None:
        """Note how long a step of loading took."""
        coming = self._coming[epoch]
        coming.steps_s[step] = took_s
        coming.standby |= standby

    def over(self, epoch: int, device: str, result: Result, now: float) -> None:
        """Note that a switch has ended."""
        coming = self._coming.pop(epoch)
        total_s = now - coming.began
        known = {step: coming.steps_s.get(step, 0.0) for step in Step}
        # Two processes' clocks measure the steps, so the rest can come out slightly below zero.
        known[Step.OWN] = max(total_s - sum(known.values()), 0.0)
        switch = Switch(
            device=device,
            leaving=coming.leaving,
            target=coming.model,
            cause=coming.cause,
            standby=coming.standby,
            result=result,
            steps_s=known,
            total_s=total_s,
        )
        self.recent.append(switch)
        for observer in self._observers:
            observer(switch)


def _spread(durations_s: list[float]) -> Spread:
    ordered = sorted(durations_s)
    return Spread(
        count=len(ordered),
        last_s=durations_s[-1],
        mean_s=math.fsum(ordered) / len(ordered),
        p50_s=_percentile(ordered, 0.50),
        p95_s=_percentile(ordered, 0.95),
    )


def _percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that at least *share* of the values do not exceed (nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]

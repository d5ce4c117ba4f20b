"""Which engine an exclusive device serves next: pure rules, asked whenever the device has nothing to do.

What is no matter of taste, the scheduler sees to: a worker is never stopped within its work, and who waited
for a load is served before anybody else is loaded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQueue:
    """Those who wait for one model; never empty. Times are seconds of the scheduler's clock."""

    arrivals: tuple[float, ...]
    """When they came, in the order in which they will be served."""
    order: int
    """Order number of the first one, among all tickets; below 0 if it was running when its worker crashed."""
    last_here: float = -math.inf
    """When the model was on the device last."""
    max_wait_s: float = 30.0
    """How long the first one may wait before it gets its turn, whatever a switch costs."""

    @property
    def since(self) -> float:
        """Since when the line waits for its turn."""
        return -math.inf if self.order < 0 else max(self.arrivals[0], self.last_here)

    def rent_s(self, now: float) -> float:
        """Return the waiting that has piled up since the model was here, in seconds, of all together."""
        return sum(now - max(arrived, self.last_here) for arrived in self.arrivals)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSnapshot:
    """What a policy may know of a device."""

    now: float
    resident: str | None
    """Model whose engine is there, ready and idle."""
    stay_s: float = 0.0
    """For how long it has been ready."""
    switch_s: float
    """How long a switch takes, as measured."""
    queues: Mapping[str, ModelQueue]
    """Model → those who wait for it; models that nobody waits for are left out."""


class Policy(Protocol):
    """Decides for one device. Has no state: what was learnt is in the scene."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the model to serve next; None if nobody waits."""
        ...

    def foresee(self, resident: str, likely: Mapping[str, float]) -> str | None:
        """Return the model to get ready although nobody waits; None to stay.

        Args:
            resident: The model whose engine is there, and which was asked for last.
            likely: Model → probability, 0 to 1, that it is asked for next.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fifo:
    """First come, first served, across all models; for comparison."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the model that the oldest ticket waits for."""
        return min(snapshot.queues, key=lambda name: snapshot.queues[name].order, default=None)

    def foresee(self, resident: str, likely: Mapping[str, float]) -> str | None:  # noqa: ARG002
        """Never guess."""
        return None


@dataclass(frozen=True, slots=True)
class Greedy(Fifo):
    """Stay as long as anybody wants the resident, as most servers do; for comparison. It starves others."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the resident while it has work, then the model of the oldest ticket."""
        return snapshot.resident if snapshot.resident in snapshot.queues else Fifo.choose(self, snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetRent:
    """Switch when the others' waiting has come to more than the switch costs those whom it delays.

    Source: the counter rule for two-state task systems (Borodin, Linial, Saks 1992), by analogy: no rule that
    cannot see the future does better than three times the best; docs/lifecycle.md has the bounds.
    """

    reluctance: float = 1.0
    """Waiting that outweighs one switch, in switch times for each one who waits for the resident."""
    min_stay: float = 2.0
    """Shortest visit while there is work left, in switch times: 1 / (1 + min_stay) of the time, at most, is
    spent on switches."""
    speculation: float = 0.7
    """Probability from which the next engine is made ready before anybody asks; from 1 on, never."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the resident, or whoever's turn it is."""
        others = {name: queue for name, queue in snapshot.queues.items() if name != snapshot.resident}
        if snapshot.resident is None or snapshot.resident not in snapshot.queues:
            return _next_in_turn(others)
        if snapshot.stay_s < self.min_stay * snapshot.switch_s:
            return snapshot.resident
        own = snapshot.queues[snapshot.resident]
        price_s = self.reluctance * snapshot.switch_s * len(own.arrivals)
        due = {
            name: queue
            for name, queue in others.items()
            if queue.rent_s(snapshot.now) >= price_s or _overdue(queue, own, snapshot)
        }
        return _next_in_turn(due) or snapshot.resident

    def foresee(self, resident: str, likely: Mapping[str, float]) -> str | None:
        """Return the likeliest other model, if it is likely enough."""
        others = {name: share for name, share in likely.items() if name != resident}
        best = max(others, key=others.__getitem__, default=None)
        if best is None or self.speculation >= 1 or others[best] < self.speculation:
            return None
        return best


def _overdue(queue: ModelQueue, own: ModelQueue, snapshot: DeviceSnapshot) -> bool:
    """Return whether *line* has its turn however little the switch would pay."""
    waited_s = snapshot.now - queue.arrivals[0]
    came_first = queue.order < own.order or snapshot.stay_s >= queue.max_wait_s
    return waited_s >= queue.max_wait_s and came_first


def _next_in_turn(queues: Mapping[str, ModelQueue]) -> str | None:
    """Return whose turn is longest ago, so that each one comes once before any comes twice."""
    return min(queues, key=lambda name: (queues[name].since, queues[name].order), default=None)

"""Policies for exclusive devices: pure rules that choose the engine to serve next when the device is idle.

The scheduler itself enforces two rules that no policy may change: a worker is never stopped during a call,
and requests that waited for a load are served before another engine is loaded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQueue:
    """The requests that wait for one model; never empty. Times are seconds of the scheduler's clock."""

    arrivals: tuple[float, ...]
    """When each one came, in the order in which they will be served."""
    order: int
    """Order number of the first one, among all tickets; below 0 if its worker was lost while it ran."""
    last_here: float = -math.inf
    """When the model was last on the device, ready."""
    max_wait_s: float = 30.0
    """How long the first request may wait before it must be served, whatever a switch costs."""

    @property
    def since(self) -> float:
        """Since when the queue has waited for its turn; minus infinity if it goes before all others."""
        return -math.inf if self.order < 0 else max(self.arrivals[0], self.last_here)

    def rent_s(self, now: float) -> float:
        """Return how long all of them together have waited since the model was last here, in seconds."""
        return sum(now - max(arrived, self.last_here) for arrived in self.arrivals)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSnapshot:
    """The state of one device, as a policy sees it."""

    now: float
    resident: str | None
    """Model whose engine is loaded, ready and idle; None if there is none."""
    stay_s: float = 0.0
    """For how long it has been ready."""
    switch_s: float
    """How long a switch takes, as measured."""
    queues: Mapping[str, ModelQueue]
    """Model → the requests that wait for it; models without any are left out."""


class Policy(Protocol):
    """Decides for one device. Has no state: everything that it needs is in the snapshot."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the model to serve next; None if no request waits."""
        ...

    def foresee(self, resident: str, likely: Mapping[str, float]) -> str | None:
        """Return the model to make ready although no request waits; None to stay.

        Args:
            resident: The model whose engine is loaded, and which was asked for last.
            likely: Model → probability, 0 to 1, that it is asked for next.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fifo:
    """Serves in order of arrival, across all models; for comparison."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the model that the oldest ticket waits for."""
        return min(snapshot.queues, key=lambda name: snapshot.queues[name].order, default=None)

    def foresee(self, resident: str, likely: Mapping[str, float]) -> str | None:  # noqa: ARG002
        """Return None: it makes nothing ready ahead of a request."""
        return None


@dataclass(frozen=True, slots=True)
class Greedy(Fifo):
    """Serves the resident as long as requests for it come, as most servers do; for comparison.

    It starves the other models.
    """

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the resident while it has work, then the model of the oldest ticket."""
        return snapshot.resident if snapshot.resident in snapshot.queues else Fifo.choose(self, snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetRent:
    """Switches once the others' waiting adds up to more than the switch costs the requests that it delays.

    Source: the counter rule for two-state task systems (Borodin, Linial, Saks 1992), by analogy: no rule that
    cannot see the future does better than three times the best; docs/lifecycle.md has the bounds.
    """

    reluctance: float = 1.0
    """Waiting that outweighs one switch, in switch times for each request that waits for the resident."""
    min_stay: float = 2.0
    """Shortest stay while the resident has work, in switch times: at most 1 / (1 + min_stay) of the time is
    spent on switches."""
    speculation: float = 0.7
    """Probability from which the next engine is made ready before a request comes; from 1 on, never."""

    def choose(self, snapshot: DeviceSnapshot) -> str | None:
        """Return the resident, or the model that is next in turn."""
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
    """Return whether *queue* is overdue, so it must be served even if the switch costs more than it saves."""
    waited_s = snapshot.now - queue.arrivals[0]
    came_first = queue.order < own.order or snapshot.stay_s >= queue.max_wait_s
    return waited_s >= queue.max_wait_s and came_first


def _next_in_turn(queues: Mapping[str, ModelQueue]) -> str | None:
    """Return the model that has waited longest for its turn: each gets one turn before any gets two."""
    return min(queues, key=lambda name: (queues[name].since, queues[name].order), default=None)

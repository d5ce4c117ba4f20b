"""Predicted waits at a replica, from its last report and from what the router itself has sent there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from speechhub_ray.reports import FIRST_SERVICE_S, FIRST_SWITCH_S, ModelReport, Report

LEAST_REST: Final = 0.25
"""Part of a call that is taken to be left of one that runs longer than the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a request asks for, as far as its path, query and headers show it."""

    slot: str | None
    """``stt`` or ``tts``; None if any replica will do."""
    model: str | None = None
    replica: str | None = None
    """The one replica that shall answer."""
    holds_engine: bool = True
    """False for a WebSocket: it is open for long and says nothing about waiting."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sent:
    """A request that a router sent to a replica, and has not seen end. Its identity is its token."""

    replica: str
    wish: Wish
    at: float
    """Seconds of the router's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a request for one slot, or for one model, has to expect at one replica."""

    free_at: float = -math.inf
    """When the work before it will have ended, in seconds of the router's clock."""
    floor_s: float = 0.0
    """The least that it must wait for that work, however long the running call takes."""
    switch_s: float = 0.0
    """The switch that the request itself would cause; 0 if the engine is ready, or is being made ready."""
    empty: bool = False
    """Whether no engine at all is loaded, so that the switch is only a load."""
    full_switch_s: float = 0.0
    """What a switch costs there, whatever is ready; 0 if its slots do not exclude each other."""
    service_s: float = FIRST_SERVICE_S
    """Mean time of a call."""
    same: int = 0
    """Requests of the router for this slot there."""
    others: int = 0
    """Requests of the router for other slots that a switch for this one would delay."""
    possible: bool = True
    """False if the replica is draining, or cannot serve the model."""
    silent: bool = False
    """Whether the replica has reported nothing for long."""
    open: int = 0
    """Requests and WebSockets of the router that are open there."""
    turn: float = 0.0
    """The router's own order of replicas that are equal: smaller comes first."""

    def queue_s(self, now: float) -> float:
        """Return how long the work before it will take."""
        return max(self.free_at - now, self.floor_s)

    def wait_s(self, now: float) -> float:
        """Return how long the request would wait, with its switch."""
        return self.queue_s(now) + self.switch_s

    def corrected(self, by_s: float, since: float) -> "Outlook":
        """Return it with so much more, or less, work before the request than was known at *since*."""
        if by_s == 0.0:
            return self
        return replace(
            self,
            free_at=max(self.free_at, since if by_s > 0 else -math.inf) + by_s,
            floor_s=max(0.0, self.floor_s + min(by_s, 0.0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    """Requests of the router for one slot at one replica."""

    count: int
    began: float
    """When the first of them can have begun."""
    service_s: float

    @property
    def end(self) -> float:
        return self.began + self.count * self.service_s

    @property
    def floor_s(self) -> float:
        return max(0.0, self.count - 1 + LEAST_REST) * self.service_s if self.count else 0.0


def outlook(
    slot: str,
    model: str | None,
    *,
    report: Report | None,
    home: str | None,
    sent: Sequence[Sent],
    turn: float,
    last_end: float,
) -> Outlook:
    """Return what the router's own requests let a request for *slot* expect at a replica.

    Args:
        slot: As in `Wish`; *model* too.
        report: The replica's last report; without one, its *home* is taken to be what it has loaded.
        home: The replica's home.
        sent: Requests of the router there, in the order in which they were sent.
        turn: The replica's place in the router's own order.
        last_end: When one of the router's requests there ended last.
    """
    meant = _meant(slot, model, report, home)
    if meant is None:
        return Outlook(possible=False, open=len(sent))
    waiting = [one for one in sent if one.wish.holds_engine and one.wish.slot is not None]
    own = [one for one in waiting if one.wish.slot == slot]
    others = [one for one in waiting if one.wish.slot != slot] if meant.exclusive else []
    same = _queue(own, meant.service_s, last_end)
    other = _queue(others, _service_s(report, others), last_end)
    switch_s = _switch_s(report) if meant.exclusive else 0.0
    before = Outlook(
        full_switch_s=switch_s,
        same=same.count,
        service_s=meant.service_s,
        possible=meant.possible and not (report is not None and report.draining),
        open=len(sent),
        turn=turn if meant.ready else 0.0,  # homes are taken in an order that all routers share
    )
    if meant.ready or not meant.exclusive:
        away_s = 2 * switch_s if others else 0.0  # to the other engine and back, as the hub predicts it
        return replace(before, free_at=same.end + away_s, floor_s=same.floor_s + away_s)
    if own:  # the first of them causes the switch
        began = max(own[0].at + switch_s, other.end + switch_s, last_end)
        return replace(before, free_at=began + same.count * same.service_s, floor_s=same.floor_s)
    return replace(
        before,
        free_at=other.end,
        floor_s=other.floor_s,
        switch_s=switch_s if report is None else meant.switch_s,
        others=other.count,
        empty=not others and (report is None or not report.loaded),
    )


def _meant(slot: str, model: str | None, report: Report | None, home: str | None) -> ModelReport | None:
    if report is None:
        return ModelReport(name="", slot=slot, ready=home == slot)
    return report.model(slot, model)


def _switch_s(report: Report | None) -> float:
    return FIRST_SWITCH_S if report is None else report.switch_s


def _queue(requests: Sequence[Sent], service_s: float, last_end: float) -> _Queue:
    began = max(requests[0].at, last_end) if requests else -math.inf
    return _Queue(count=len(requests), began=began, service_s=service_s)


def _service_s(report: Report | None, requests: Sequence[Sent]) -> float:
    """Return the mean time of a call for the first of *requests*."""
    if report is None or not requests or requests[0].wish.slot is None:
        return FIRST_SERVICE_S
    model = report.model(requests[0].wish.slot, requests[0].wish.model)
    return model.service_s if model is not None else FIRST_SERVICE_S

"""One replica, as a router knows it: its last report, the router's own requests there, and its work."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from speechhub_ray.homes import Place, Work
from speechhub_ray.reports import Report
from speechhub_ray.waits import Outlook, Sent, outlook

LATE_S: Final = 1.0
"""How old a report may be when it arrives."""
SILENT_S: Final = 10.0
"""After so long without a report, a replica is taken to have stopped, and comes after all others. A report
changes every five seconds, even where nothing happens."""

LEAST_PART: Final = 0.02
"""Part of the time that a home may serve others even where its own slot keeps it busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a report says about waiting beyond what the router knew by itself."""

    by_s: float = 0.0
    seen: tuple[tuple[float, float], ...] = ()
    """When the router's own prediction last jumped, and what it was then; from before `LATE_S` one alone."""

    def after(self, wait_s: float, now: float) -> "Correction":
        """Return it with a prediction of the router's own."""
        past = [one for one in self.seen if one[0] < now - LATE_S]
        return replace(self, seen=(*past[-1:], *self.seen[len(past) :], (now, wait_s)))

    def reported(self, wait_s: float, own_s: float, now: float) -> "Correction":
        """Return it after a report, when the router by itself predicts *own_s*.

        The report may be as old as `LATE_S`: only what lies outside all that the router predicted since
        then is news.
        """
        since = now - LATE_S
        own = [max(0.0, seen_s - max(0.0, since - at)) for at, seen_s in self.seen]
        by_s = max(0.0, wait_s - max(own_s, *own, 0.0)) + min(0.0, wait_s - min((own_s, *own)))
        return Correction(by_s=by_s, seen=((now, own_s),) if not self.seen else self.after(own_s, now).seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The last time that a replica left its home for requests of another slot; in seconds of one clock."""

    began: float = -math.inf
    ends: float = -math.inf
    """When it is predicted to be back home."""
    next_at: float = -math.inf
    """From when on it may leave again."""

    def open(self, now: float, longest_s: float) -> bool:
        """Return whether a guest may come: the visit is not too long yet, or the next one may begin."""
        return now >= self.next_at or (now < self.ends and self.ends - self.began < longest_s)

    def longer(self, ends: float, now: float, *, part: float, rest_s: float) -> "Visit":
        """Return it, or the next one, with one more guest.

        Args:
            ends: When the replica will be back home now.
            now: When the guest comes.
            part: Part of the time that visits may take, 0 to 1; what is left is for the home.
            rest_s: How long the replica stays at home at least.
        """
        began = self.began if now < self.ends else now
        ends = max(ends, self.ends)
        took_s = ends - began
        return Visit(
            began=began, ends=ends, next_at=ends + max(rest_s, took_s * (1 / max(part, LEAST_PART) - 1))
        )


@dataclass(slots=True, kw_only=True)
class Replica:
    """What the router keeps of one replica."""

    name: str
    turn: float = 0.0
    """As in `Outlook`."""
    report: Report | None = None
    reported_at: float = -math.inf
    work: Work = field(default_factory=Work)
    sent: dict[Sent, None] = field(default_factory=dict)
    last_end: float = -math.inf
    corrections: dict[str, Correction] = field(default_factory=dict)
    """By slot."""
    visit: Visit = field(default_factory=Visit)

    @property
    def shared(self) -> bool:
        """Whether its slots do not exclude each other; taken to be False before its first report."""
        return self.report is not None and self.report.shared

    def is_silent(self, now: float) -> bool:
        """Return whether it has reported before, and nothing for long."""
        return self.report is not None and now - self.reported_at > SILENT_S

    def own(self, slot: str, model: str | None, home: str | None) -> Outlook:
        """Return what the router's own requests let a request expect here."""
        return outlook(
            slot,
            model,
            report=self.report,
            home=home,
            sent=tuple(self.sent),
            turn=self.turn,
            last_end=self.last_end,
        )

    def place(self, home: str | None, now: float) -> Place:
        """Return it as the dealing out of homes sees it."""
        report = self.report
        impossible = () if report is None else _impossible(report)
        return Place(
            name=self.name,
            home=home,
            ready=report.ready_slot if report is not None else None,
            work=self.work.of(now),
            impossible=frozenset(impossible),
        )


def _impossible(report: Report) -> Iterable[str]:
    return (slot for slot, model in report.by_slot.items() if not model.possible)

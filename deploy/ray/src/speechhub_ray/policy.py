"""The routing policy: which replica should answer a request, from reports, homes and the router's own sends.

A request goes where it is predicted to wait least. A replica that must leave its home for it counts more than
one switch, for the requests of its home that will need the way back.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from speechhub_ray.homes import Change, Place, Work, agreed, counts, dealt, moved, pressures, rescue, shares
from speechhub_ray.replica import SILENT_S, Correction, Replica
from speechhub_ray.reports import FIRST_SERVICE_S, Report
from speechhub_ray.waits import Outlook, Sent, Wish

__all__ = ["Dispatcher", "Prices", "Wish", "cost_s", "ranked"]

USED_S: Final = 600.0
"""For so long after its last request, a slot keeps its homes."""
LOOK_S: Final = 1.0
"""How often the homes are looked at."""
FIRST_SLOT: Final = "stt"
"""The slot that gets its first homes from the beginning of the replicas' names; the others from the end."""
CROWD: Final = 24
"""From so many requests for one slot on, a replica comes after all others: a hub refuses what comes when
`queue_limit` wait, usually 32."""
FULL: Final = 0.9
"""From this part of their time on, a slot's homes are too busy for more guests elsewhere to help for long."""
QUIET: Final = 0.3
"""A home whose slot keeps it busy for a smaller part of its time takes guests at any time."""
WAITING: Final = 0.5
"""How much work that waits counts, beside that of the last minutes, which full homes hold down."""
MOST_VIEWS: Final = 64
"""Models by name for which predictions are kept; names come from clients, and must not fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Parameters of the policy, without unit; chosen by benchmarks/cluster."""

    load: float = 0.5
    """Part of a switch that a request counts at its home: the rest pays off for the requests after it."""
    fill: float = 0.1
    """The same where no engine is loaded: else requests would queue up beside empty replicas."""
    back: float = 1.0
    """Switches that a request counts besides its own at another slot's home: the way back."""
    damage: float = 1.0
    """How much the waiting of requests that will come there counts against the request's own."""
    waiting: float = 0.25
    """The same for requests that wait there."""
    guests: float = 0.5
    """Part of the time that its own slot leaves a home in which it may serve others, switches included."""
    stay: float = 4.0
    """How long it stays away for guests at most, in switches."""
    rest: float = 10.0
    """How long it stays at home between two such visits at least, in switches."""


def cost_s(view: Outlook, pressure: float | None, prices: Prices, now: float) -> float:
    """Return how long a request would wait at a replica, and how long others would because of it, in seconds.

    At another slot's home, requests of that slot that come until the replica is back find it away, and each
    of them waits longer by the time of this call.

    Args:
        view: What the request has to expect there.
        pressure: Requests of the home's slot that come there in a second and that no other home of it could
            take; None at the request's own home, and at one whose slot is not used.
        prices: The policy's parameters.
        now: Seconds of the router's clock.
    """
    queue_s = max(view.free_at - now, view.floor_s)
    delay_s = prices.waiting * view.others * (view.switch_s + view.full_switch_s)
    if pressure is None:
        return queue_s + (prices.fill if view.empty else prices.load) * view.switch_s + delay_s
    away_s = queue_s + view.service_s + view.switch_s + view.full_switch_s
    damage_s = prices.damage * pressure * view.service_s * away_s
    return queue_s + (1 + prices.back) * view.switch_s + delay_s + damage_s


def ranked(
    views: Mapping[str, tuple[Outlook, str | None]],
    pressure: Mapping[str | None, float],
    prices: Prices,
    now: float,
    closed: Collection[str] = (),
) -> list[str]:
    """Return the replicas, best first: by `cost_s`, but those that have stopped, or cannot serve it, last.

    Equals come in the router's own order, then in that of *views*.

    Args:
        views: Replica → what the request has to expect there, and the replica's home.
        pressure: Other slots → as in `cost_s`.
        prices: The policy's parameters.
        now: Seconds of the router's clock.
        closed: Homes of other slots that serve their own alone for a while; they come after all others.
    """
    keys = {
        name: (
            view.silent,
            not view.possible,
            name in closed,
            view.same >= CROWD,
            cost_s(view, pressure.get(home), prices, now)
            if view.switch_s or home in pressure
            else max(view.free_at - now, view.floor_s),  # the same, and quicker
            view.open,
            view.turn,
        )
        for name, (view, home) in views.items()
    }
    return sorted(keys, key=keys.__getitem__)


class Dispatcher:
    """All the state of one router, and nothing that decides. Single-threaded; has no clock of its own.

    All times are in seconds of one monotonic clock.

    Args:
        settle_s: How long a home must be wrong, and how long the homes stay after a change, in seconds.
        prices: The policy's parameters.
        turns: Order of replicas that are equal; every router should have another one, as by default.
    """

    def __init__(
        self, *, settle_s: float = 60.0, prices: Prices | None = None, turns: Random | None = None
    ) -> None:
        self._settle_s = settle_s
        self._prices = prices or Prices()
        self._turns = turns or Random()  # noqa: S311  # routers shall not all begin with the same replica
        self._replicas: dict[str, Replica] = {}
        self._homes: dict[str, str] = {}
        self._work = Work()
        self._asked: dict[str, float] = {}
        """Slot → when it was asked for last, here or, as reports show, at another router."""
        self._views: dict[tuple[str, str | None], dict[str, tuple[Outlook, str | None] | None]] = {}
        """(slot, model) → replica → its view; None if it must be made anew."""
        self._pressure: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        """Slot → part of the time in which its homes work for it."""
        self._pending: dict[str, tuple[object, float]] = {}
        """Kind of change → what would change, and since when without a break."""
        self._changed_at = -math.inf
        self._looked_at = self._now = -math.inf
        self._came_at = math.inf
        """When the last replica came or went."""

    # ── Taking in ────────────────────────────────────────────────────────────

    def replicas(self, names: Collection[str], now: float) -> None:
        """Take in which replicas exist now."""
        self._now = now
        wanted = set(names)
        if wanted == self._replicas.keys():
            return
        for name in self._replicas.keys() - wanted:
            del self._replicas[name]
            self._homes.pop(name, None)
        for name in sorted(wanted - self._replicas.keys()):
            self._replicas[name] = Replica(name=name, turn=self._turns.random())
        self._replicas = dict(sorted(self._replicas.items()))
        self._views.clear()
        self._came_at, self._looked_at = now, -math.inf

    def report(self, replica: str, stats: Mapping[str, object], now: float) -> None:
        """Take in what a replica reports; call it when that changed."""
        self._now = now
        kept, report = self._replicas.get(replica), Report.read(stats)
        if kept is None or report is None:
            return
        if kept.report is not None:
            did = {
                slot: work_s - before if work_s >= (before := kept.report.work_s.get(slot, 0.0)) else work_s
                for slot, work_s in report.work_s.items()
            }
            kept.work, self._work = kept.work.grown(did, now), self._work.grown(did, now)
            self._asked |= {slot: now for slot, work_s in did.items() if work_s > 0}
        kept.report, kept.reported_at = report, now
        home = self._homes.get(replica)
        if report.shared:
            self._homes.pop(replica, None)
        elif home is None and report.ready_slot is not None:
            self._settle({replica: report.ready_slot})
        for slot, model in report.by_slot.items():
            own_s = kept.own(slot, None, self._homes.get(replica)).wait_s(now)
            kept.corrections[slot] = kept.corrections.get(slot, Correction()).reported(
                model.wait_s, own_s, now
            )
        self._outdate(replica)

    def sent(self, replica: str, wish: Wish, now: float) -> object:
        """Note that a request went to *replica*; return the token for `done`."""
        self._now = now
        token = Sent(replica=replica, wish=wish, at=now)
        kept = self._replicas.get(replica)
        if kept is None:
            return token
        self._learn(kept, now)
        kept.sent[token] = None
        self._note_guest(kept, wish, now)
        if wish.slot is not None and wish.holds_engine:
            self._asked[wish.slot] = now
            if replica not in self._homes and not kept.shared:
                self._settle({replica: wish.slot})
        self._learn(kept, now)
        return token

    def _note_guest(self, kept: Replica, wish: Wish, now: float) -> None:
        """Note that a replica leaves its home for a request, or stays away for it."""
        home = self._homes.get(kept.name)
        if wish.slot is None or home is None or home == wish.slot or not self._is_used(home, now):
            return
        seen = kept.own(wish.slot, wish.model, home)
        kept.visit = kept.visit.longer(
            max(now, seen.free_at) + seen.full_switch_s,
            now,
            part=self._prices.guests * max(0.0, 1.0 - self._busy.get(home, 0.0)),
            rest_s=self._prices.rest * seen.full_switch_s,
        )

    def done(self, token: object, now: float | None = None) -> None:
        """Note that a request has ended; without *now*, when the router last did anything."""
        now = self._now if now is None else now
        kept = self._replicas.get(token.replica) if isinstance(token, Sent) else None
        if kept is None or not isinstance(token, Sent) or token not in kept.sent:
            return
        self._learn(kept, now)
        del kept.sent[token]
        if token.wish.slot is not None and token.wish.holds_engine:
            kept.last_end = now
            if kept.report is None:
                did = {token.wish.slot: FIRST_SERVICE_S}
                kept.work, self._work = kept.work.grown(did, now), self._work.grown(did, now)
        self._learn(kept, now)

    # ── Deciding ─────────────────────────────────────────────────────────────

    def rank(self, wish: Wish, now: float) -> list[str]:
        """Return the replicas for a request, best first; none only if no replica exists."""
        self._now = now
        if wish.replica in self._replicas:
            return [wish.replica]
        if wish.slot is None:
            return sorted(self._replicas, key=self._busyness)
        self._asked[wish.slot] = now
        self._look(now)
        pressure: dict[str | None, float] = {
            slot: self._pressure.get(slot, 0.0)  # before the first report too: a home is a home
            for slot in self._asked
            if slot != wish.slot and self._is_used(slot, now)
        }
        views = self._seen(wish.slot, wish.model)
        closed = {
            name
            for name, (view, home) in views.items()
            if home is not None
            and home in pressure
            and self._busy.get(wish.slot, 0.0) >= FULL
            and self._busy.get(home, 0.0) >= QUIET
            and not self._replicas[name].visit.open(now, self._prices.stay * view.full_switch_s)
        }
        return ranked(views, pressure, self._prices, now, closed)

    def homes(self) -> Mapping[str, str]:
        """Return replica → its home, for operators' eyes.

        Replicas whose slots do not exclude each other are home to all and left out, and so are new ones that
        no request needed yet.
        """
        return dict(self._homes)

    def _busyness(self, name: str) -> tuple[bool, bool, int, float]:
        kept = self._replicas[name]
        draining = kept.report is not None and kept.report.draining
        return kept.is_silent(self._now), draining, len(kept.sent), kept.turn

    def _seen(self, slot: str, model: str | None) -> dict[str, tuple[Outlook, str | None]]:
        """Return what a request has to expect at each replica; only what changed is made anew."""
        views = self._views.get((slot, model))
        if views is None:
            if len(self._views) >= MOST_VIEWS:
                self._views.clear()
            # Routers that start together deal out the same replicas if each slot begins at its own end.
            names = sorted(self._replicas, reverse=slot != FIRST_SLOT)
            views = self._views[slot, model] = dict.fromkeys(names)
        for name in [name for name, view in views.items() if view is None]:
            views[name] = self._view(self._replicas[name], slot, model)
        return views  # type: ignore[return-value]  # none is None any more

    def _view(self, kept: Replica, slot: str, model: str | None) -> tuple[Outlook, str | None]:
        home = self._homes.get(kept.name)
        seen = kept.own(slot, model, home)
        if kept.is_silent(self._now):
            return replace(seen, silent=True), home
        correction = kept.corrections.get(slot)
        if correction is not None:
            seen = seen.corrected(correction.by_s, kept.reported_at)
        return seen, home

    def _outdate(self, name: str) -> None:
        for views in self._views.values():
            views[name] = None

    def _learn(self, kept: Replica, now: float) -> None:
        """Note what the router predicts by itself, before or after one of its requests came or went."""
        home = self._homes.get(kept.name)
        for slot, correction in kept.corrections.items():
            kept.corrections[slot] = correction.after(kept.own(slot, None, home).wait_s(now), now)
        self._outdate(kept.name)

    # ── Homes ────────────────────────────────────────────────────────────────

    def _is_used(self, slot: str, now: float) -> bool:
        return now - self._asked.get(slot, -math.inf) <= USED_S

    def _settle(self, change: Change) -> None:
        self._homes |= change
        for name in change:
            self._outdate(name)

    def _places(self, now: float) -> list[Place]:
        return [
            kept.place(self._homes.get(kept.name), now)
            for kept in self._replicas.values()
            if not kept.shared and not (kept.report is not None and kept.report.draining)
        ]

    def _look(self, now: float) -> None:
        """Change homes where that is due."""
        homes = set(self._homes.values())
        used = sorted(slot for slot in self._asked if self._is_used(slot, now))
        bare = [slot for slot in used if slot not in homes]
        if now - self._looked_at < LOOK_S and not bare:
            return
        for kept in self._replicas.values():
            if kept.is_silent(now) or now - self._looked_at > SILENT_S:
                self._outdate(kept.name)
        self._looked_at = now
        places = self._places(now)
        have, rates = counts(places), self._work.rates(now)
        self._busy = {slot: rate / max(1, have.get(slot, 0)) for slot, rate in rates.items()}
        self._pressure = pressures(rates, {slot: self._service_s(slot) for slot in used}, have)
        wanted = shares(self._demand(now), used, len(places))
        if any(place.home is None for place in places):  # the next request that needs one takes it
            if now - self._came_at >= self._settle_s:
                self._settle(dealt(places, wanted))
            return
        change = next(filter(None, (rescue(slot, places, used) for slot in bare)), None)
        change = change or self._due(places, wanted, now)
        if change:
            self._settle(change)
            self._changed_at = now

    def _demand(self, now: float) -> dict[str, float]:
        """Return by slot the work of the last minutes and, for homes that are full, part of what waits."""
        demand = self._work.of(now)
        for kept in self._replicas.values():
            slot = kept.report.ready_slot if kept.report is not None and not kept.is_silent(now) else None
            if kept.report is not None and slot is not None:
                demand[slot] = demand.get(slot, 0.0) + WAITING * kept.report.by_slot[slot].wait_s
        return demand

    def _service_s(self, slot: str) -> float:
        """Return how long a call for *slot* takes, at the first replica that says so."""
        for kept in self._replicas.values():
            if kept.report is not None and slot in kept.report.by_slot:
                return kept.report.by_slot[slot].service_s
        return FIRST_SERVICE_S

    def _due(self, places: list[Place], wanted: Mapping[str, float], now: float) -> Change | None:
        """Return the change that was wanted for long enough, if it is not too soon after the last one."""
        share, agreement = moved(places, wanted), agreed(places, wanted)
        found = {"share": (share, set(share.values())), "agreement": (agreement, tuple(agreement.items()))}
        for kind, (change, key) in found.items():
            if not change or self._pending.get(kind, (None, 0.0))[0] != key:
                self._pending[kind] = (key, now)
            elif min(now - self._pending[kind][1], now - self._changed_at) >= self._settle_s:
                self._pending.clear()
                return change
        return None

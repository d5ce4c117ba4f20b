"""Homes: which replica serves which direction, dealt out in proportion to the work of the last minutes.

A home says where requests go by preference and which replica may be made to switch; giving a replica another
home causes no switch by itself. All functions are pure, and depend only on what every router can see, so that
several routers come to the same homes.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Final

MEMORY_S: Final = 300.0
"""After so many seconds, work counts for 1/e of new work."""
OFF_BY: Final = 0.5
"""By how much the number of a slot's homes may differ from its share before a home changes, in replicas."""
MIXED: Final = 0.75
"""A replica that works more than that for one slot is taken to be its home at every router."""

AT_ONCE: Final = 8
"""Of so many replicas, one may change its home at a time: a change costs a switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Seconds of engine time by slot, in which recent work counts more."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0
    """When *seconds* was true, in seconds of the router's clock."""
    since: float | None = None
    """When the first work came; None before."""

    def of(self, now: float) -> dict[str, float]:
        """Return the work by slot as it counts now."""
        factor = math.exp(-max(0.0, now - self.at) / MEMORY_S)
        return {slot: seconds * factor for slot, seconds in self.seconds.items()}

    def grown(self, by: Mapping[str, float], now: float) -> "Work":
        """Return it with more work."""
        if not any(by.values()):
            return self
        seconds = self.of(now)
        for slot, more in by.items():
            seconds[slot] = seconds.get(slot, 0.0) + more
        return Work(seconds=seconds, at=now, since=now if self.since is None else self.since)

    def rates(self, now: float) -> dict[str, float]:
        """Return the work by slot in each second: how many replicas each would keep busy."""
        if self.since is None:
            return {}
        span_s = MEMORY_S * (1 - math.exp(-max(1.0, now - self.since) / MEMORY_S))
        return {slot: seconds / span_s for slot, seconds in self.of(now).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A replica whose slots exclude each other, as the dealing out sees it."""

    name: str
    home: str | None = None
    ready: str | None = None
    """The slot whose engine is loaded."""
    work: Mapping[str, float] = field(default_factory=dict)
    """Work of the last minutes by slot."""
    impossible: frozenset[str] = frozenset()
    """Slots that cannot be served there."""

    def lean(self, slot: str) -> float:
        """Return how much more the replica did for *slot* than for others, in seconds of the last minutes."""
        own = self.work.get(slot, 0.0)
        return 2 * own - sum(self.work.values())

    @property
    def mixed(self) -> bool:
        """Whether no slot has more than `MIXED` of its work."""
        return 0 < max(self.work.values(), default=0.0) <= MIXED * sum(self.work.values())


Change = Mapping[str, str]
"""Replica → its new home."""


def shares(work: Mapping[str, float], used: Collection[str], replicas: int) -> dict[str, float]:
    """Return how many of the *replicas* each of the *used* slots should have: at least one, if possible.

    Args:
        work: Slot → work of the last minutes, and work that waits.
        used: Slots that were asked for lately.
    """
    left, slots = float(replicas), sorted(used)
    shared: dict[str, float] = {}
    total = sum(work.get(slot, 0.0) for slot in slots)
    while slots:
        found = {
            slot: left * (work.get(slot, 0.0) / total if total > 0 else 1 / len(slots)) for slot in slots
        }
        small = [slot for slot in slots if found[slot] < 1]
        if not small or replicas < len(used):
            return shared | found
        for slot in small:  # they get one each; the others share the rest
            shared[slot] = 1.0
            left -= 1
            total -= work.get(slot, 0.0)
            slots.remove(slot)
    return shared


def pressures(
    rates: Mapping[str, float], service_s: Mapping[str, float], homes: Mapping[str, int]
) -> dict[str, float]:
    """Return for each slot how many requests come to one of its homes in a second and find no other one free.

    Args:
        rates: Slot → work in each second.
        service_s: Slot → mean time of a call, for slots that are used.
        homes: Slot → number of its homes.
    """
    found = {}
    for slot, mean_s in service_s.items():
        number, rate = homes.get(slot, 0), rates.get(slot, 0.0)
        if number and rate > 0:
            others_busy = min(1.0, rate / number) ** (number - 1)
            found[slot] = rate / mean_s / number * others_busy
    return found


def counts(places: Sequence[Place]) -> dict[str, int]:
    """Return how many homes each slot has."""
    found: dict[str, int] = {}
    for place in places:
        if place.home is not None:
            found[place.home] = found.get(place.home, 0) + 1
    return found


def rescue(slot: str, places: Sequence[Place], used: Collection[str]) -> Change:
    """Return a home for a *slot* that has none: a replica without a home, or one of the slot that has most.

    Empty where the only replica is another slot's home: all slots live there.
    """
    have = counts(places)
    fitting = [place for place in places if slot not in place.impossible]
    free = [place for place in fitting if place.home is None]
    rich = [
        place
        for place in fitting
        if place.home is not None and (have[place.home] > 1 or place.home not in used)
    ]
    chosen = min(
        free or rich,
        key=lambda place: (
            place.ready != slot,
            place.ready is not None,
            -have.get(place.home or "", 0),
            -place.lean(slot),
            sum(place.work.values()),
            place.name,
        ),
        default=None,
    )
    return {} if chosen is None else {chosen.name: slot}


def dealt(places: Sequence[Place], wanted: Mapping[str, float]) -> Change:
    """Return homes for all that have none: the slot of the loaded engine, or the one that lacks most."""
    have: dict[str, float] = dict(counts(places))
    homes: dict[str, str] = {}
    for place in sorted(places, key=lambda place: (place.ready is None, place.name)):
        if place.home is not None:
            continue
        fitting = [slot for slot in sorted(wanted) if slot not in place.impossible]
        if not fitting:
            continue
        slot = (
            place.ready
            if place.ready in fitting
            else max(fitting, key=lambda slot: wanted[slot] - have.get(slot, 0))
        )
        homes[place.name] = slot
        have[slot] = have.get(slot, 0) + 1
    return homes


def moved(places: Sequence[Place], wanted: Mapping[str, float]) -> Change:
    """Return the change that brings the homes closer to the shares; empty if none is off by more than half.

    One replica changes, or of many replicas one in `AT_ONCE`: those that have the engine that they will need,
    or did least for their old home.
    """
    change: dict[str, str] = {}
    for _ in range(max(1, len(places) // AT_ONCE)):
        one = _moved(places, wanted)
        if not one:
            break
        change |= one
        places = [replace(place, home=one.get(place.name, place.home)) for place in places]
    return change


def _moved(places: Sequence[Place], wanted: Mapping[str, float]) -> Change:
    have = counts(places)
    gap = {slot: share - have.get(slot, 0) for slot, share in wanted.items()}
    gains = max(sorted(gap), key=gap.__getitem__, default=None)
    if gains is None or gap[gains] <= OFF_BY:
        return {}
    candidates = [
        place
        for place in places
        if place.home not in (None, gains)
        and gains not in place.impossible
        and have[place.home] - 1 >= min(1.0, wanted.get(place.home, 0.0))
        and have[place.home] > wanted.get(place.home, 0.0)
    ]
    chosen = min(
        candidates,
        key=lambda place: (place.ready != gains, -place.lean(gains), sum(place.work.values()), place.name),
        default=None,
    )
    return {} if chosen is None else {chosen.name: gains}


def agreed(places: Sequence[Place], wanted: Mapping[str, float]) -> Change:
    """Return the change that makes homes fit what the replicas really do, for the sake of other routers.

    A replica that worked more for another slot gets that one, if the shares allow it; or two replicas that
    worked more for each other's home exchange their homes.
    """
    have = counts(places)
    for place in sorted(places, key=lambda place: place.name):
        for slot in sorted(wanted):
            if place.home in (None, slot) or slot in place.impossible or place.lean(slot) <= 0:
                continue
            after = have.get(slot, 0) + 1
            if abs(after - wanted[slot]) <= OFF_BY and have[place.home] > 1:
                return {place.name: slot}
            partner = min(
                (
                    other
                    for other in places
                    if other.home == slot
                    and place.home not in other.impossible
                    and other.lean(slot) < place.lean(slot)
                    and other.lean(place.home) > place.lean(place.home)
                ),
                key=lambda other: (other.lean(slot), other.name),
                default=None,
            )
            if partner is not None:
                return {place.name: slot, partner.name: place.home}
    return _ordered(places)


def _ordered(places: Sequence[Place]) -> Change:
    """Return the exchange that puts homes in the order of names, where two replicas work for both slots.

    So they do if two routers began with opposite homes, and neither of them sees more than a half of it.
    """
    mixed = [place for place in places if place.home is not None and place.mixed]
    for first, second in combinations(sorted(mixed, key=lambda place: place.name), 2):
        if (
            first.home is not None
            and second.home is not None
            and first.home > second.home
            and second.home not in first.impossible
            and first.home not in second.impossible
        ):
            return {first.name: second.home, second.name: first.home}
    return {}

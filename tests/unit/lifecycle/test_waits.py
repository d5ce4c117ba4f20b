"""How long anybody waits at worst, on the scheduler that serves, in virtual time."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lifecycle.workloads import WORKLOADS, adversary, crash_storm, speak, transcribe, voice_loop
from benchmarks.lifecycle.world import Costs, World
from speechhub.errors import UnavailableError
from speechhub.lifecycle.scheduler.device import FIRST_SWITCH_GUESS_S
from speechhub.lifecycle.scheduler.events import Cancelled, Refuse, Requested
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import Greedy, NetRent
from tests.generated import examples

pytestmark = pytest.mark.lengthy

QUICKLY = settings(max_examples=examples(25), deadline=None)


def world(seed, switch_s=3.0, max_batch=1, **limits):
    costs = Costs.of_switch(switch_s)
    return World(limits=Limits(**limits), costs=costs, rng=random.Random(seed), max_batch=max_batch)


def load(it, pattern):
    """Let requests come as *pattern* says: gap in seconds, and for which engine."""
    time = 0.0
    for gap_s, model in pattern:
        time += gap_s
        it.at(time, lambda act=transcribe if model == "stt" else speak: act(it))


patterns = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 1.0, 4.0, 20.0]), st.sampled_from(["stt", "stt", "tts"])),
    min_size=5,
    max_size=120,
)


def bound_s(it, ticket):
    """Return how long *ticket* may have waited; docs/lifecycle.md derives it."""
    cap = max(it.limits.stt_max_wait_s, it.limits.policy.min_stay * max(FIRST_SWITCH_GUESS_S, switch_of(it)))
    head = cap + it.longest_call_s + switch_of(it)
    return head + switch_of(it) if ticket.ahead == 0 else (ticket.ahead + 1) * 2 * head


def switch_of(it):
    return it.costs.stop_s + it.costs.verify_s + it.costs.load_s


@pytest.mark.mission("3.8")
@pytest.mark.invariant("bound")
@QUICKLY
@given(
    pattern=patterns,
    seed=st.integers(0, 99),
    switch_s=st.sampled_from([0.8, 3.0, 12.0]),
    max_batch=st.sampled_from([1, 4]),
)
def test_nobody_waits_longer_than_the_bound(pattern, seed, switch_s, max_batch):
    """Neither at the head of a line nor behind others, sharing calls or not; and everybody is served."""
    it = world(seed, switch_s, max_batch, queue_limit=999, queue_limit_s=1e9)
    load(it, pattern)
    it.run(3600)

    for ticket in it.tickets.values():
        assert ticket.error is None
        assert ticket.wait_s <= bound_s(it, ticket) + 1e-6


@pytest.mark.invariant("bound")
def test_the_bound_is_one_that_greed_breaks():
    """Under the rule that most servers follow, a stream for one engine keeps the other away for good."""

    def longest(policy):
        it = world(1, queue_limit=999, queue_limit_s=1e9, policy=policy)
        load(it, [(0.3, "stt")] * 30 + [(0.3, "tts")] + [(0.3, "stt")] * 400)
        it.run(3600)
        return max(ticket.wait_s for ticket in it.tickets.values() if ticket.model == "tts")

    assert longest(NetRent()) < 45
    assert longest(Greedy()) > 100


@pytest.mark.invariant("ends-once", "tried-twice")
@pytest.mark.parametrize("max_batch", [1, 4])
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_ticket_ends_once(name, max_batch):
    """Served, refused or crashed twice; nobody is tried three times, and no queue grows beyond its limit."""
    it = world(7, max_batch=max_batch)
    WORKLOADS[name](it)
    it.run(3600)

    for ticket in it.tickets.values():
        assert ticket.ended is not None
        assert ticket.attempts <= 2
        if isinstance(ticket.error, UnavailableError):
            assert 0 < ticket.error.retry_after_s <= 60
    assert 0 < it.max_waiting <= it.limits.queue_limit + max_batch, "those that crashed may come on top"
    assert it.largest_call <= max_batch


def test_a_crash_storm_is_survived():
    """Most requests are served although every tenth crashes its worker and every tenth load fails."""
    it = world(3)
    crash_storm(it)
    it.run(3600)

    served = [ticket for ticket in it.tickets.values() if ticket.error is None]
    assert len(served) > 0.9 * len(it.tickets)
    assert any(ticket.attempts == 2 for ticket in served)


@pytest.mark.invariant("no-thrashing")
def test_no_more_than_a_third_of_the_time_goes_to_switches():
    """Under an adversary who asks for the other engine at every switch, with work for both all the time."""
    it = world(5, 3.0, queue_limit=9999, queue_limit_s=1e9)
    load(it, [(0.0, "stt"), (0.0, "tts")] * 400)
    adversary(it)
    it.run(1800)

    assert it.switches * switch_of(it) < 0.4 * it.now


def test_sharing_calls_serves_more_of_a_flood():
    """What piles up during a switch goes together, and each saves what a call costs whatever its size."""

    def served(max_batch):
        it = world(4, max_batch=max_batch)
        WORKLOADS["STT flood"](it)
        it.run(3600)
        assert it.largest_call == max_batch
        return sum(ticket.error is None for ticket in it.tickets.values())

    assert served(4) > 1.3 * served(1)


class Fickle(World):
    """Whenever the engine works, somebody asks and leaves before anything else happens."""

    left = 0

    def _post(self, event):
        super()._post(event)
        states = self.scheduler.states()
        known = [served.id for served in self.scheduler._models.values() if served.files]
        for model in known if any(state.busy for state in states) else ():
            self.left += 1
            wish = Requested(ticket=-self.left, model=model, size=1.0, recordings_s=(1.0,))
            [*refused] = self.scheduler.handle(wish, self.now)
            assert all(isinstance(effect, Refuse) for effect in refused)
            assert self.scheduler.handle(Cancelled(ticket=-self.left), self.now) == []


@pytest.mark.invariant("only-proportions")
@QUICKLY
@given(pattern=patterns, seed=st.integers(0, 99), max_batch=st.sampled_from([1, 4]))
def test_who_leaves_at_once_changes_nothing_for_the_others(pattern, seed, max_batch):
    """A request that is cancelled before any other event leaves the schedule as it was."""

    def waits(kind):
        it = kind(
            limits=Limits(queue_limit=999, queue_limit_s=1e9, policy=NetRent(speculation=1)),
            costs=Costs.of_switch(3.0),
            rng=random.Random(seed),
            max_batch=max_batch,
        )
        load(it, pattern)
        it.run(3600)
        return [ticket.wait_s for ticket in it.tickets.values()]

    assert waits(Fickle) == waits(World)


def test_in_a_conversation_most_switches_are_hidden():
    """Half of all requests find their engine ready already; without speculation, none does."""

    def hits(policy):
        it = world(2, policy=policy)
        voice_loop(it)
        it.run(3600)
        return sum(ticket.wait_s == 0 for ticket in it.tickets.values()) / len(it.tickets)

    assert hits(NetRent()) > 0.45
    assert hits(NetRent(speculation=1)) < 0.05


@pytest.mark.invariant("only-proportions")
@QUICKLY
@given(pattern=patterns, seed=st.integers(0, 99), scale=st.sampled_from([2.0, 4.0]))
def test_with_all_times_longer_all_waits_are_as_much_longer(pattern, seed, scale):
    """The schedule knows proportions, and no seconds of its own."""

    def waits(factor):
        it = world(
            seed,
            3.0 * factor,
            stt_max_wait_s=30 * factor,
            tts_max_wait_s=30 * factor,
            idle_unload_s=300 * factor,
            queue_limit=999,
            queue_limit_s=1e9,
        )
        it.scheduler._devices["cuda:0"].switch_s.value *= factor
        it.costs.pace = factor
        load(it, [(gap_s * factor, model) for gap_s, model in pattern])
        it.run(3600 * factor)
        return [ticket.wait_s for ticket in it.tickets.values()]

    assert [wait_s / scale for wait_s in waits(scale)] == pytest.approx(waits(1.0))

"""Homes over time, and the rule that no replica idles while another's requests wait too long."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from speechhub_ray.homes import shares
from speechhub_ray.policy import CROWD, Dispatcher, Prices, Wish, cost_s, ranked
from speechhub_ray.waits import Outlook
from tests.generated import examples


def stats(ready, work_s):
    """Return a report of a replica with so much work done."""
    return {
        "models": {
            slot: {
                "slot": slot,
                "default": True,
                "ready": ready == slot,
                "wait_s": 0.0 if ready == slot else 3.0,
                "switch_s": 0.0 if ready == slot else 3.0,
                "service_s": 1.0,
                "work_s": work_s[slot],
                "possible": True,
                "exclusive": True,
            }
            for slot in ("stt", "tts")
        }
    }


class Cluster:
    """Replicas that work for their home's slot, and load it when asked; every router sees them all."""

    def __init__(self, ready, routers=1):
        self.ready = dict(ready)
        self.work_s = {name: {"stt": 0.0, "tts": 0.0} for name in ready}
        self.loads = 0
        self.now = 0.0
        self.routers = [self.router(seed) for seed in range(routers)]

    def router(self, seed):
        dispatcher = Dispatcher(turns=Random(seed))
        dispatcher.replicas(list(self.ready), self.now)
        self.report(dispatcher)
        return dispatcher

    def report(self, dispatcher):
        for name, ready in self.ready.items():
            dispatcher.report(name, stats(ready, self.work_s[name]), self.now)

    def second(self, wanted):
        """Let each router send its requests of 1 s, one after the other within a second, and report."""
        tokens = []
        for number, slot in enumerate(wanted):
            dispatcher = self.routers[number % len(self.routers)]
            name = dispatcher.rank(Wish(slot=slot), self.now)[0]
            tokens.append((dispatcher, dispatcher.sent(name, Wish(slot=slot), self.now)))
            self.loads += self.ready[name] != slot
            self.ready[name] = slot
            self.work_s[name][slot] += 1.0
        self.now += 1.0
        for dispatcher, token in tokens:
            dispatcher.done(token, self.now)
        for dispatcher in self.routers:
            self.report(dispatcher)


def count(homes):
    return {slot: list(homes.values()).count(slot) for slot in ("stt", "tts")}


def test_demand_of_three_to_one_settles_at_three_and_one_within_two_minutes_and_then_nothing_loads():
    cluster = Cluster(dict.fromkeys("abcd"))
    for _ in range(120):
        cluster.second(["stt", "stt", "tts", "stt"])
    settled, loads = cluster.routers[0].homes(), cluster.loads
    assert count(settled) == {"stt": 3, "tts": 1}

    for _ in range(600):
        cluster.second(["stt", "stt", "tts", "stt"])
        assert cluster.routers[0].homes() == settled
    assert cluster.loads == loads


def test_homes_follow_demand_that_turns_round():
    cluster = Cluster({"a": "stt", "b": "stt", "c": "stt", "d": "tts"})
    for _ in range(300):
        cluster.second(["stt", "stt", "stt", "tts"])
    for _ in range(900):
        cluster.second(["tts", "tts", "tts", "stt"])

    assert count(cluster.routers[0].homes()) == {"stt": 1, "tts": 3}


def test_a_router_that_starts_anew_has_the_same_homes():
    cluster = Cluster(dict.fromkeys("abcd"))
    for _ in range(200):
        cluster.second(["stt", "tts", "stt", "stt"])

    assert cluster.router(9).homes() == cluster.routers[0].homes()


def test_several_routers_come_to_the_same_homes():
    cluster = Cluster(dict.fromkeys("abcdef"), routers=3)
    for second in range(400):
        cluster.second(["stt", "stt", "tts"] if second % 2 else ["tts", "stt", "stt"])

    first, *others = (dispatcher.homes() for dispatcher in cluster.routers)
    assert all(homes == first for homes in others)


def test_two_routers_that_began_with_opposite_homes_agree():
    cluster = Cluster(dict.fromkeys("ab"), routers=2)
    cluster.routers[0].sent("a", Wish(slot="stt"), 0.0)
    cluster.routers[0].sent("b", Wish(slot="tts"), 0.0)
    cluster.routers[1].sent("a", Wish(slot="tts"), 0.0)
    cluster.routers[1].sent("b", Wish(slot="stt"), 0.0)
    rng = Random(3)
    for _ in range(400):
        cluster.second([rng.choice(["stt", "tts"]) for _ in range(2)])

    assert cluster.routers[0].homes() == cluster.routers[1].homes()


@settings(max_examples=examples(25), deadline=None)
@given(
    minutes=st.lists(st.lists(st.sampled_from(["stt", "tts"]), max_size=4), min_size=1, max_size=8),
    replicas=st.integers(1, 5),
)
def test_homes_change_at_most_once_a_minute_while_the_replicas_stay_the_same(minutes, replicas):
    """But for the first home of a replica, and of a slot that had none."""
    cluster = Cluster({f"r{index}": ("stt", "tts")[index % 2] for index in range(replicas)})
    before, changed_at = cluster.routers[0].homes(), -60.0
    for wanted in minutes:
        for _ in range(60):
            cluster.second(wanted)
            homes = cluster.routers[0].homes()
            if homes == before:
                continue
            bare = set(homes.values()) - set(before.values())
            assert bare or cluster.now - changed_at >= 60.0
            assert len(homes.items() - before.items()) <= 2, "one moves, or two exchange their homes"
            before, changed_at = homes, cluster.now


@given(
    work=st.dictionaries(st.sampled_from(["stt", "tts"]), st.floats(0, 1e6)),
    used=st.sets(st.sampled_from(["stt", "tts"]), min_size=1),
    replicas=st.integers(1, 1000),
)
def test_shares_add_up_and_leave_one_for_each_used_slot(work, used, replicas):
    found = shares(work, used, replicas)

    assert set(found) == used
    assert abs(sum(found.values()) - replicas) < 1e-6
    if replicas >= len(used):
        assert min(found.values()) >= 1 - 1e-9


outlooks = st.builds(
    Outlook,
    free_at=st.floats(-100, 100),
    floor_s=st.floats(0, 20),
    switch_s=st.sampled_from([0.0, 3.0]),
    full_switch_s=st.just(3.0),
    service_s=st.floats(0.1, 10),
    same=st.integers(0, 40),
    others=st.integers(0, 3),
    possible=st.booleans(),
)


@given(
    seen=st.dictionaries(
        st.text("abcdefgh", min_size=1, max_size=2),
        st.tuples(outlooks, st.sampled_from(["stt", "tts", None])),
        min_size=2,
    ),
    pressure=st.floats(0, 5),
)
def test_no_replica_idles_while_the_chosen_one_waits_for_longer_than_the_idle_one_costs(seen, pressure):
    """The invariant: the first replica's wait is at most an idle one's switch, plus what leaving costs there.

    At home, or where no slot that is used is at home, that is the switch alone. At another used slot's home
    it is the way back too, and the time of the call for each request of the home that will come meanwhile and
    finds no other home free. Only a replica that is crowded may come after, or one that rests from guests.
    """
    prices, now = Prices(), 0.0
    first = seen[ranked(seen, {"tts": pressure}, prices, now)[0]][0]
    for view, home in seen.values():
        if not view.possible or view.same or view.others or view.wait_s(now) > view.switch_s:
            continue
        away_s = view.service_s + view.switch_s + view.full_switch_s
        leaving_s = prices.back * view.switch_s + pressure * view.service_s * away_s
        allowed_s = view.switch_s + (leaving_s if home == "tts" else 0.0)
        assert first.possible
        assert first.same < CROWD
        assert first.wait_s(now) <= allowed_s + prices.load * first.switch_s + 1e-9


@given(view=outlooks, pressure=st.floats(0, 5), more=st.floats(0, 5))
def test_a_home_that_is_asked_for_more_is_dearer_to_leave(view, pressure, more):
    assert cost_s(view, pressure + more, Prices(), 0.0) >= cost_s(view, pressure, Prices(), 0.0)

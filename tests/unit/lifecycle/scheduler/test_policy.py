"""Whose turn it is on a device that holds one engine at a time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.lifecycle.scheduler.policy import DeviceSnapshot, Fifo, Greedy, ModelQueue, NetRent

NET_RENT = NetRent()
SNAPSHOT = DeviceSnapshot(now=100.0, resident="stt", stay_s=50.0, switch_s=3.0, queues={})


def queue(*arrivals, order=0, **rest):
    return ModelQueue(arrivals=arrivals, order=order, **rest)


def snapshot(**changes):
    return replace(SNAPSHOT, **changes)


@pytest.mark.parametrize("policy", [Fifo(), Greedy(), NET_RENT])
def test_nobody_waits(policy):
    """There is nothing to choose."""
    assert policy.choose(SNAPSHOT) is None
    assert policy.choose(snapshot(resident=None)) is None


@pytest.mark.parametrize("policy", [Fifo(), Greedy(), NET_RENT])
@pytest.mark.parametrize("resident", ["stt", "tts", None])
def test_the_only_one_who_waits_is_served_at_once(policy, resident):
    """Whoever is there: no lingering."""
    assert policy.choose(snapshot(resident=resident, queues={"tts": queue(100.0)})) == "tts"


def test_fifo_goes_by_age_and_greedy_by_who_is_there():
    """The two that net-rent is compared with."""
    both = snapshot(queues={"stt": queue(99.0, order=9), "tts": queue(10.0, order=1)})

    assert Fifo().choose(both) == "tts"
    assert Greedy().choose(both) == "stt"


@pytest.mark.parametrize(
    ("others", "mine", "expected"),
    [
        ((97.1,), (99.0,), "stt"),  # 2.9 s of waiting, one waits here: not worth 3 s
        ((97.0,), (99.0,), "tts"),  # 3 s
        ((98.5, 98.5), (99.0,), "tts"),  # together as much
        ((95.0,), (99.0, 99.0), "stt"),  # 5 s, and two would have to wait for the switch
        ((94.0,), (99.0, 99.0), "tts"),
    ],
)
def test_switch_when_waiting_outweighs_its_price(others, mine, expected):
    """The waiting of all others counts, against the switch times of all who wait for the resident."""
    queues = {"tts": queue(*others, order=1), "stt": queue(*mine, order=2)}

    assert NET_RENT.choose(snapshot(queues=queues)) == expected


def test_waiting_counts_from_the_last_visit():
    """What was waited before the line's own last visit has been paid for."""
    queues = {"tts": queue(10.0, last_here=99.0), "stt": queue(99.0)}

    assert NET_RENT.choose(snapshot(queues=queues | {"tts": queue(80.0, last_here=99.0)})) == "stt"
    assert NET_RENT.choose(snapshot(queues=queues | {"tts": queue(80.0, last_here=90.0)})) == "tts"


def test_a_visit_lasts_a_while():
    """However much the others have waited: two switch times, while there is work."""
    queues = {"tts": queue(0.0, order=1), "stt": queue(99.0, order=2)}

    assert NET_RENT.choose(snapshot(stay_s=5.9, queues=queues)) == "stt"
    assert NET_RENT.choose(snapshot(stay_s=6.0, queues=queues)) == "tts"


def test_whoever_waited_too_long_gets_a_turn():
    """Beyond the cap the price does not matter, only who came first, or how long the visit was."""
    crowd = [99.0] * 32  # a price of 96 s
    queues = {"tts": queue(70.0, order=1), "stt": queue(*crowd, order=2)}
    late = {"tts": queue(70.0, order=9), "stt": queue(*crowd, order=2)}

    assert NET_RENT.choose(snapshot(now=99.9, queues=queues)) == "stt"
    assert NET_RENT.choose(snapshot(queues=queues)) == "tts"
    assert NET_RENT.choose(snapshot(stay_s=29.9, queues=late)) == "stt"
    assert NET_RENT.choose(snapshot(stay_s=30.0, queues=late)) == "tts"


def test_of_several_others_the_one_whose_turn_is_longest_ago_comes_next():
    """Not the one with the oldest ticket: it was here in between."""
    queues = {
        "stt": queue(99.0, order=9),
        "tts": queue(10.0, order=1, last_here=80.0),
        "other": queue(50.0, order=2, last_here=20.0),
    }

    assert NET_RENT.choose(snapshot(queues=queues)) == "other"
    assert NET_RENT.choose(snapshot(resident=None, queues=queues)) == "other"


def test_work_of_a_crashed_worker_has_its_engine_back_first():
    """A ticket that was running already goes before lines that waited longer."""
    queues = {"stt": queue(99.0, order=-1, last_here=99.0), "tts": queue(10.0, order=1)}

    assert NET_RENT.choose(snapshot(resident=None, queues=queues)) == "stt"


@pytest.mark.parametrize(
    ("likely", "expected"),
    [({}, None), ({"tts": 0.69}, None), ({"tts": 0.7}, "tts"), ({"stt": 0.9, "tts": 0.1}, None)],
)
def test_speculation_needs_a_likely_successor(likely, expected):
    """Another model, and likely enough; fifo and greedy never guess."""
    assert NET_RENT.foresee("stt", likely) == expected
    assert NetRent(speculation=1.0).foresee("stt", {"tts": 1.0}) is None
    assert Fifo().foresee("stt", likely) is None
    assert Greedy().foresee("stt", likely) is None


lines_strategy = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(
        lambda arrivals, order, last_here: ModelQueue(
            arrivals=tuple(sorted(arrivals)), order=order, last_here=last_here
        ),
        st.lists(st.floats(0, 100), min_size=1, max_size=5),
        st.integers(-2, 50),
        st.just(float("-inf")) | st.floats(0, 100),
    ),
)


@given(
    queues=lines_strategy,
    resident=st.none() | st.sampled_from("abcd"),
    stay=st.floats(0, 100),
    switch=st.floats(0, 30),
    policy=st.sampled_from([Fifo(), Greedy(), NET_RENT]),
)
def test_somebody_who_waits_is_always_chosen(queues, resident, stay, switch, policy):
    """No policy leaves a device idle while somebody waits, and none serves who does not."""
    choice = policy.choose(
        DeviceSnapshot(now=100, resident=resident, stay_s=stay, switch_s=switch, queues=queues)
    )

    assert choice in queues if queues else choice is None


@given(
    queues=lines_strategy,
    stay=st.floats(0, 100),
    switch=st.floats(0.1, 30),
    scale=st.sampled_from([0.5, 2, 8]),
)
def test_only_proportions_matter(queues, stay, switch, scale):
    """With all times, caps included, twice as long, the choice is the same."""

    def scaled(factor):
        return DeviceSnapshot(
            now=100 * factor,
            resident="a",
            stay_s=stay * factor,
            switch_s=switch * factor,
            queues={
                name: replace(
                    it,
                    arrivals=tuple(arrived * factor for arrived in it.arrivals),
                    last_here=it.last_here * factor,
                    max_wait_s=30 * factor,
                )
                for name, it in queues.items()
            },
        )

    assert NET_RENT.choose(scaled(scale)) == NET_RENT.choose(scaled(1))

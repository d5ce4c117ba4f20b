"""Visits: how often, and for how long, a replica leaves a home that is busy itself."""

from random import Random

import pytest

from deploy.ray.tests.test_policy import STT, TTS, router, send, stats
from speechhub_ray.homes import Place, agreed, moved
from speechhub_ray.replica import Visit

PART = {"part": 0.25, "rest_s": 30.0}


def test_a_visit_goes_on_until_it_has_been_long_enough():
    visit = Visit().longer(8.0, 0.0, **PART)

    assert visit.open(4.0, longest_s=12.0)
    assert not visit.longer(13.0, 4.0, **PART).open(5.0, longest_s=12.0)


def test_after_a_visit_the_replica_stays_at_home_for_a_while():
    visit = Visit().longer(8.0, 0.0, **PART)

    assert not visit.open(9.0, longest_s=12.0)
    assert not visit.open(37.9, longest_s=12.0)
    assert visit.open(38.0, longest_s=12.0)


@pytest.mark.parametrize(("part", "next_at"), [(0.25, 80.0), (0.5, 50.0), (0.0, 1000.0)])
def test_long_visits_leave_the_home_most_of_the_time(part, next_at):
    """A quarter of the time is for guests: after 20 s away come 60 s at home; even a busy home takes some."""
    visit = Visit().longer(20.0, 0.0, part=part, rest_s=30.0)

    assert visit.next_at == next_at


def test_the_next_visit_begins_anew():
    visit = Visit().longer(8.0, 0.0, **PART).longer(48.0, 40.0, **PART)

    assert (visit.began, visit.ends) == (40.0, 48.0)


def test_a_flood_of_transcripts_does_not_drown_speech():
    """More transcripts than their home can take go on waiting there: speech keeps its own replica."""
    dispatcher = router({"a": "stt", "b": "tts"}, settle_s=1e9)
    worked = {"stt": 0.0, "tts": 0.0}
    went = []
    for second in range(360):
        worked = {"stt": worked["stt"] + 1.0, "tts": worked["tts"] + 0.6}
        for name, slot in (("a", "stt"), ("b", "tts")):
            waits = {"stt": 20.0, "tts": 4.0}
            dispatcher.report(name, stats(slot, work_s={slot: worked[slot]}, wait_s=waits), second)
        for wish in (STT, TTS):
            name, token = send(dispatcher, wish, second + 0.5)
            if second < 300:
                dispatcher.done(token, second + 0.6)
            elif wish is STT:
                went.append(name)

    assert 0 < went.count("b") < 20, went


def test_of_many_replicas_several_change_their_home_at_once():
    """A cluster of a thousand would need hours, one by one; a small one changes one at a time."""
    rng = Random(1)

    def places(number):
        return [
            Place(name=f"r{index:04}", home="stt", ready="stt", work={"stt": rng.random()})
            for index in range(number)
        ]

    assert len(moved(places(8), {"stt": 4.0, "tts": 4.0})) == 1
    assert len(moved(places(64), {"stt": 32.0, "tts": 32.0})) == 8
    assert len(moved(places(64), {"stt": 62.0, "tts": 2.0})) == 2


@pytest.mark.parametrize(("wait_s", "more"), [(200.0, True), (5.0, False)])
def test_a_slot_whose_full_homes_keep_requests_waiting_gets_more_of_them(wait_s, more):
    """All homes are full, so that the work of either slot says no more than how many homes it has."""
    slots = {f"r{index:02}": "tts" if index < 2 else "stt" for index in range(16)}
    dispatcher = router(slots)
    for second in range(300):
        for name, slot in slots.items():
            waits = {"stt": 5.0, "tts": wait_s}
            dispatcher.report(name, stats(slot, work_s={slot: float(second)}, wait_s=waits), second)
        for wish in (STT, TTS):
            name, token = send(dispatcher, wish, second + 0.5)
            dispatcher.done(token, second + 0.6)

    assert (list(dispatcher.homes().values()).count("tts") > 2) is more


def test_homes_that_work_for_both_come_into_the_order_of_their_names():
    mixed = {"stt": 10.0, "tts": 9.0}
    opposite = [Place(name="a", home="tts", work=mixed), Place(name="b", home="stt", work=mixed)]
    right = [Place(name="a", home="stt", work=mixed), Place(name="b", home="tts", work=mixed)]
    own = [
        Place(name="a", home="tts", work={"tts": 9.0}),
        Place(name="b", home="stt", work={"stt": 9.0}),
    ]
    wanted = {"stt": 1.0, "tts": 1.0}

    assert agreed(opposite, wanted) == {"a": "stt", "b": "tts"}
    assert agreed(right, wanted) == {}
    assert agreed(own, wanted) == {}

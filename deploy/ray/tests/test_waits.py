"""Predicted waits at one replica, from its report and from what a router sent there."""

import math

import pytest

from speechhub_ray.replica import Correction, Replica
from speechhub_ray.reports import Report
from speechhub_ray.waits import LEAST_REST, Sent, Wish, outlook

SWITCH_S = 3.0
SERVICE_S = {"stt": 2.0, "tts": 5.0}


def report(ready=None, **changed):
    """Return what a replica says whose device holds one engine, that of *ready*."""
    models = {
        slot: {
            "slot": slot,
            "ready": slot == ready,
            "switch_s": 0.0 if slot == ready else SWITCH_S,
            "service_s": service_s,
        }
        | changed
        for slot, service_s in SERVICE_S.items()
    }
    return Report.read({"models": models})


def sent(*slots, at=0.0, holds_engine=True):
    return [Sent(replica="a", wish=Wish(slot=slot, holds_engine=holds_engine), at=at) for slot in slots]


def seen(slot, ready, requests=(), *, turn=0.5, last_end=-math.inf):
    return outlook(slot, None, report=report(ready), home=None, sent=requests, turn=turn, last_end=last_end)


def test_a_request_waits_for_those_before_it():
    view = seen("stt", "stt", sent("stt", "stt"))

    assert [view.wait_s(now) for now in (0.0, 1.0)] == [4.0, 3.0]


def test_a_call_that_runs_for_longer_than_usual_is_not_taken_to_be_over():
    """Nor are those behind it taken to have run meanwhile."""
    assert seen("stt", "stt", sent("stt")).wait_s(100.0) == LEAST_REST * 2.0
    assert seen("stt", "stt", sent("stt", "stt")).wait_s(100.0) == (1 + LEAST_REST) * 2.0


def test_the_next_call_begins_when_the_one_before_it_has_ended():
    view = seen("stt", "stt", sent("stt"), last_end=10.0)

    assert view.wait_s(11.0) == 1.0


def test_a_request_of_the_other_direction_costs_the_way_there_and_back():
    assert seen("stt", "stt", sent("tts")).wait_s(0.0) == 2 * SWITCH_S


def test_a_switch_is_the_first_request_s_alone():
    first = seen("tts", "stt", sent("stt"))
    second = seen("tts", "stt", sent("stt", "tts"))

    assert (first.switch_s, first.wait_s(0.0)) == (SWITCH_S, 2.0 + SWITCH_S)
    assert (second.switch_s, second.wait_s(0.0)) == (0.0, 2.0 + SWITCH_S + 5.0)


def test_requests_that_a_switch_would_delay_are_counted():
    assert seen("tts", "stt", sent("stt", "stt")).others == 2
    assert seen("stt", "stt", sent("stt", "stt")).others == 0


def test_sockets_say_nothing_about_waiting():
    view = seen("stt", "stt", sent("stt", "tts", holds_engine=False))

    assert (view.wait_s(0.0), view.same, view.open) == (0.0, 0, 2)


def test_a_replica_is_empty_while_nothing_is_loaded_or_under_way():
    assert seen("stt", None).empty
    assert not seen("stt", "tts").empty
    assert not seen("stt", None, sent("tts")).empty


def test_routers_begin_with_different_replicas_only_where_no_home_is_taken_by_it():
    """All routers shall take the same replica that is not loaded, and different ones of those that are."""
    assert seen("stt", "stt", turn=0.7).turn == 0.7
    assert seen("stt", "tts", turn=0.7).turn == 0.0


# ── What reports add ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("wait_s", [0.0, 3.0, 5.0])
def test_a_report_made_before_the_last_request_was_sent_is_no_news(wait_s):
    """It may be a second old: it speaks of any moment of that second."""
    known = Correction().after(0.0, 0.0).after(5.0, 0.5)

    assert known.reported(wait_s, 5.0, 1.0).by_s == 0.0


@pytest.mark.parametrize(("wait_s", "by_s"), [(9.0, 4.0), (3.0, -2.0)])
def test_what_lies_outside_all_that_was_predicted_is_news(wait_s, by_s):
    known = Correction().after(5.0, 1.0)

    assert known.reported(wait_s, 5.0, 1.0).by_s == by_s


def test_a_prediction_from_before_the_last_second_has_run_down_since():
    known = Correction().after(5.0, 0.0)

    assert known.reported(3.0, 2.0, 3.0).by_s == 0.0
    assert known.reported(4.0, 2.0, 3.0).by_s == 1.0


def test_predictions_before_the_last_second_are_forgotten_but_for_one():
    known = Correction()
    for number in range(100):
        known = known.after(1.0, number * 10.0)

    assert len(known.seen) == 2


def test_work_that_others_sent_waits_before_the_request_and_runs_down():
    view = seen("stt", "stt").corrected(4.0, since=10.0)

    assert [view.wait_s(now) for now in (10.0, 12.0, 20.0)] == [4.0, 2.0, 0.0]


def test_a_slot_that_fails_is_no_home():
    replica = Replica(name="a", report=report("stt", possible=False))

    assert replica.place("stt", 0.0).impossible == {"stt", "tts"}

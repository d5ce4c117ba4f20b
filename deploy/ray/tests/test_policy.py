"""The routing policy, from outside: reports and sends in, rankings and homes out."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechhub_ray.policy import CROWD, MOST_VIEWS, Dispatcher, Wish
from tests.generated import examples

STT, TTS = Wish(slot="stt"), Wish(slot="tts")
SERVICE_S = {"stt": 0.5, "tts": 4.0}
SWITCH_S = 3.0


def stats(ready=None, *, wait_s=None, work_s=None, possible=True, exclusive=True, draining=False):
    """Return a report of one model for each slot."""
    wait_s, work_s = wait_s or {}, work_s or {}
    switch = {slot: 0.0 if slot == ready or not exclusive else SWITCH_S for slot in SERVICE_S}
    return {
        "replica": "any",
        "models": {
            f"{slot}-model": {
                "slot": slot,
                "default": True,
                "ready": slot == ready or not exclusive,
                "wait_s": wait_s.get(slot, switch[slot]),
                "switch_s": switch[slot],
                "service_s": SERVICE_S[slot],
                "work_s": work_s.get(slot, 0.0),
                "possible": possible,
                "exclusive": exclusive,
            }
            for slot in SERVICE_S
        },
        "draining": draining,
    }


def router(ready, *, now=0.0, seed=1, **settings):
    """Return a router that has heard of replicas: name → slot whose engine is ready."""
    dispatcher = Dispatcher(turns=Random(seed), **settings)
    dispatcher.replicas(list(ready), now)
    for name, slot in ready.items():
        dispatcher.report(name, stats(slot), now)
    return dispatcher


def send(dispatcher, wish, now):
    """Send a request to where it is ranked first; return the replica and the token."""
    name = dispatcher.rank(wish, now)[0]
    return name, dispatcher.sent(name, wish, now)


def test_requests_go_to_the_replica_that_has_their_engine():
    dispatcher = router({"a": "stt", "b": "tts"})

    assert dispatcher.rank(STT, 1.0) == ["a", "b"]
    assert dispatcher.rank(TTS, 1.0) == ["b", "a"]


def test_without_any_replica_there_is_none_to_rank():
    assert Dispatcher().rank(STT, 0.0) == []


def test_without_reports_requests_keep_to_the_replica_of_their_direction():
    dispatcher = Dispatcher()
    dispatcher.replicas(["a", "b"], 0.0)
    went = {}
    for second in range(60):
        for wish in (STT, TTS):
            name, token = send(dispatcher, wish, float(second))
            dispatcher.done(token, second + 0.5)
            went.setdefault(wish.slot, set()).add(name)

    assert went == {"stt": {"a"}, "tts": {"b"}}
    assert dispatcher.homes() == {"a": "stt", "b": "tts"}


def test_with_one_replica_everything_goes_there():
    dispatcher = router({"only": "stt"})

    assert [dispatcher.rank(wish, 1.0) for wish in (STT, TTS, Wish(slot=None))] == [["only"]] * 3


def test_a_named_replica_is_ranked_alone_and_one_that_is_gone_leaves_the_choice():
    dispatcher = router({"a": "stt", "b": "tts"})

    assert dispatcher.rank(Wish(slot=None, replica="b"), 1.0) == ["b"]
    assert sorted(dispatcher.rank(Wish(slot=None, replica="gone"), 1.0)) == ["a", "b"]


def test_an_unknown_model_follows_its_slot():
    dispatcher = router({"a": "stt", "b": "tts"})

    assert dispatcher.rank(Wish(slot="tts", model="unheard of"), 1.0)[0] == "b"


def test_a_named_model_goes_where_it_is_ready():
    dispatcher = router({"a": "stt", "b": "stt", "c": "tts"})
    report = stats("stt")
    report["models"]["stt-model"] |= {"ready": False, "switch_s": SWITCH_S, "wait_s": SWITCH_S}
    report["models"]["rare"] = report["models"]["stt-model"] | {
        "default": False,
        "ready": True,
        "switch_s": 0.0,
        "wait_s": 0.0,
    }
    dispatcher.report("b", report, 1.0)
    for name in "ac":
        other = stats("stt" if name == "a" else "tts")
        other["models"]["rare"] = report["models"]["rare"] | {"ready": False, "switch_s": 3.0, "wait_s": 3.0}
        dispatcher.report(name, other, 1.0)

    assert dispatcher.rank(Wish(slot="stt", model="rare"), 2.0)[0] == "b"


def test_a_replica_that_drains_or_cannot_serve_the_slot_comes_last():
    dispatcher = router({"a": "stt", "b": "stt", "c": "tts"})
    dispatcher.report("a", stats("stt", draining=True), 1.0)
    assert dispatcher.rank(STT, 2.0)[-1] == "a"

    dispatcher.report("b", stats("stt", possible=False), 2.0)
    assert dispatcher.rank(STT, 3.0)[0] == "c"


def test_requests_of_one_second_do_not_all_jump_to_the_same_replica():
    dispatcher = router(dict.fromkeys("abcd", "stt"))
    went = [send(dispatcher, STT, 1.0 + index / 100)[0] for index in range(8)]

    assert {name: went.count(name) for name in "abcd"} == dict.fromkeys("abcd", 2)


def test_requests_that_leave_home_follow_the_first_to_one_replica():
    dispatcher = router({"home": "tts", "x": "stt", "y": "stt", "z": "stt"}, settle_s=1e9)
    for name in "xyz":
        dispatcher.report(name, stats("stt", work_s={"stt": 0.7}), 1.0)
    went = [send(dispatcher, TTS, 3.0 + index / 100)[0] for index in range(4)]

    assert "home" in went
    assert len(set(went) - {"home"}) == 1


def test_websockets_are_spread_and_say_nothing_about_waiting():
    dispatcher = router({"a": "stt", "b": "stt", "c": "tts"})
    live = Wish(slot="stt", holds_engine=False)
    went = [send(dispatcher, live, 1.0)[0] for _ in range(6)]

    assert sorted(went) == ["a", "a", "a", "b", "b", "b"]
    assert dispatcher.rank(TTS, 1.0)[0] == "c"


def test_waiting_that_other_routers_cause_shows_in_reports():
    dispatcher = router({"a": "stt", "b": "stt", "c": "tts"})
    for name, other in (("a", "b"), ("b", "a")):
        dispatcher.report(name, stats("stt", wait_s={"stt": 6.0}), 1.0)
        assert dispatcher.rank(STT, 1.0)[0] == other
        dispatcher.report(name, stats("stt", wait_s={"stt": 0.0}), 2.0)


def test_a_silent_replica_is_not_avoided_for_what_it_said_long_ago():
    dispatcher = router({"a": "stt", "b": "tts"})
    dispatcher.report("a", stats("stt", wait_s={"stt": 900.0}), 0.0)
    assert dispatcher.rank(STT, 5.0)[0] == "b"

    assert dispatcher.rank(STT, 20.0)[0] == "a"


def test_a_replica_that_vanishes_is_not_ranked_and_its_home_is_given_to_another_at_once():
    dispatcher = router({"a": "stt", "b": "tts", "c": "tts"})
    _, token = send(dispatcher, STT, 1.0)
    send(dispatcher, TTS, 1.0)
    dispatcher.replicas(["b", "c"], 2.0)
    dispatcher.done(token, 2.0)

    assert sorted(dispatcher.rank(STT, 2.0)) == ["b", "c"]
    assert sorted(dispatcher.homes().values()) == ["stt", "tts"]


def test_a_direction_that_was_not_used_gets_a_home_with_its_first_request():
    dispatcher = router({"a": "stt", "b": "stt", "c": "stt"})
    send(dispatcher, STT, 1.0)
    assert set(dispatcher.homes().values()) == {"stt"}

    dispatcher.rank(TTS, 1.1)
    assert sorted(dispatcher.homes().values()) == ["stt", "stt", "tts"]


def test_replicas_whose_engines_share_the_device_have_no_home():
    dispatcher = Dispatcher(turns=Random(1))
    dispatcher.replicas(["a", "b"], 0.0)
    for name in "ab":
        dispatcher.report(name, stats(exclusive=False), 0.0)
    went = [send(dispatcher, wish, 1.0)[0] for wish in (STT, STT, TTS, TTS)]

    assert sorted(went) == ["a", "a", "b", "b"]
    assert dispatcher.homes() == {}


def test_replicas_that_turn_out_to_share_their_device_lose_their_home():
    dispatcher = router({"a": "stt", "b": "tts"})

    dispatcher.report("a", stats(exclusive=False), 1.0)

    assert dispatcher.homes() == {"b": "tts"}


def test_the_first_requests_of_two_routers_take_the_same_homes():
    """One hears of speech first, the other of a recording."""
    routers = [Dispatcher(), Dispatcher()]
    for dispatcher, wishes in zip(routers, ((STT, TTS), (TTS, STT)), strict=True):
        dispatcher.replicas(["a", "b"], 0.0)
        for wish in wishes:
            send(dispatcher, wish, 1.0)

    assert routers[0].homes() == routers[1].homes() == {"a": "stt", "b": "tts"}


def test_requests_do_not_crowd_where_a_hub_would_refuse_them():
    """Even if the switch elsewhere costs more than all that waits at home."""
    dispatcher = Dispatcher(settle_s=1e9)
    dispatcher.replicas(["a", "b"], 0.0)
    for name, ready in (("a", "stt"), ("b", "tts")):
        report = stats(ready)
        for model in report["models"].values():
            model["switch_s"] *= 100
        dispatcher.report(name, report, 0.0)
    went = [send(dispatcher, STT, 1.0)[0] for _ in range(CROWD + 1)]

    assert went == ["a"] * CROWD + ["b"]


def test_an_empty_replica_is_filled_rather_than_that_a_request_waits():
    dispatcher = router({"a": "stt", "b": None, "c": "tts"})
    send(dispatcher, TTS, 1.0)
    send(dispatcher, STT, 1.0)

    assert send(dispatcher, STT, 1.0)[0] == "b"


def test_a_call_that_has_just_begun_is_not_taken_for_an_old_one():
    dispatcher = router({"a": "stt", "b": "stt", "c": "tts"})
    first = dispatcher.sent("a", STT, 1.0)
    dispatcher.sent("a", STT, 1.0)
    dispatcher.sent("b", STT, 4.8)
    dispatcher.done(first, 5.0)

    assert dispatcher.rank(STT, 5.0)[0] == "b"


def test_homes_follow_the_requests_of_the_router_where_nothing_is_reported():
    dispatcher = Dispatcher(settle_s=5.0)
    dispatcher.replicas(list("abcd"), 0.0)
    for second in range(60):
        tokens = [send(dispatcher, wish, second + 0.1)[1] for wish in (STT, TTS, TTS, TTS)]
        for token in tokens:
            dispatcher.done(token, second + 0.9)

    assert sorted(dispatcher.homes().values()) == ["stt", "tts", "tts", "tts"]


def test_names_of_models_from_clients_do_not_fill_the_memory():
    dispatcher = router(dict.fromkeys("abcd", "stt"))
    for number in range(1000):
        dispatcher.rank(Wish(slot="stt", model=f"m{number}"), 1.0)

    assert len(dispatcher._views) <= MOST_VIEWS


def test_a_hub_that_starts_anew_has_done_no_less_than_nothing():
    """Its engine time begins at 0 again; what it does from then on counts."""
    dispatcher = router({"a": "stt", "b": "tts", "c": None}, settle_s=5.0)
    for second, work_s in enumerate((900.0, 0.0, 1.0, 2.0)):
        dispatcher.report("a", stats("stt", work_s={"stt": work_s}), float(second))

    assert dispatcher._work.seconds["stt"] > 0


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"models": None},
        {"models": {"m": 3}},
        {"models": {"m": {"slot": "stt", "wait_s": float("nan"), "switch_s": -1, "service_s": "long"}}},
    ],
)
def test_a_broken_report_stops_nothing(broken):
    dispatcher = router({"a": "stt", "b": "tts"})
    dispatcher.report("a", broken, 1.0)
    dispatcher.report("unknown", stats("stt"), 1.0)

    assert sorted(dispatcher.rank(STT, 2.0)) == ["a", "b"]


events = st.lists(
    st.one_of(
        st.tuples(st.just("rank"), st.sampled_from(["stt", "tts", None]), st.floats(0, 3)),
        st.tuples(st.just("done"), st.integers(0, 5), st.floats(0, 3)),
        st.tuples(st.just("replicas"), st.sets(st.sampled_from("abcdef"), min_size=1), st.floats(0, 30)),
        st.tuples(
            st.just("report"),
            st.tuples(st.sampled_from("abcdef"), st.sampled_from(["stt", "tts", None]), st.floats(0, 60)),
            st.floats(0, 3),
        ),
    ),
    max_size=60,
)


@settings(max_examples=examples(100))
@given(events=events)
def test_each_request_gets_every_replica_that_exists_once(events):
    dispatcher, names, now, tokens = Dispatcher(turns=Random(1)), set("abc"), 0.0, []
    dispatcher.replicas(names, now)
    for kind, what, later_s in events:
        now += later_s
        match kind:
            case "rank":
                found = dispatcher.rank(Wish(slot=what), now)
                assert sorted(found) == sorted(names)
                tokens.append(dispatcher.sent(found[0], Wish(slot=what), now))
            case "done" if tokens:
                dispatcher.done(tokens.pop(what % len(tokens)), now)
            case "replicas":
                names = what
                dispatcher.replicas(names, now)
            case "report":
                name, ready, wait_s = what
                dispatcher.report(name, stats(ready, wait_s=dict.fromkeys(SERVICE_S, wait_s)), now)
        assert set(dispatcher.homes()) <= names

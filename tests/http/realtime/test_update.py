"""Updates of a session object: merged by presence, kept whole or not at all."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import (
    RealtimeSessionCreateRequest,
    RealtimeTranscriptionSessionCreateRequest,
    SessionUpdatedEvent,
)
from pydantic import TypeAdapter

from speechhub.errors import RequestError
from speechhub.http.realtime.server_events import SessionUpdated
from speechhub.http.realtime.update import BETA_FIELDS, SessionState, as_beta, from_beta, merge, new_session
from tests.fakes.realtime import checked
from tests.generated import examples

NAMES = ["a", "b", "c", "type"]
names = st.sampled_from(NAMES)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(names, values, max_size=4)


def fresh(kind="transcription"):
    return SessionState(session=new_session(kind, id="sess_1", expires_at=1))


def updated(state, kind="transcription", *, may_switch=True, **changes):
    return state.updated({"type": kind} | changes, may_switch=may_switch)


def heard(state):
    return msgspec.to_builtins(state.session)["audio"]["input"]


# ── The merge ────────────────────────────────────────────────────────────────


@given(objects, objects)
@settings(max_examples=examples(200))
def test_absent_keeps_and_present_counts(old, new):
    """Every field of the update is in the result, as it is or merged; all others are the old ones."""
    merged = merge(old, new, NAMES)
    replaced = "type" in old and "type" in new and old["type"] != new["type"]

    assert set(merged) == set(new) | (set() if replaced else set(old))
    for name, value in merged.items():
        if name not in new:
            assert value == old[name]
        elif not isinstance(new[name], dict):
            assert value == new[name]
            assert (value is None) == (new[name] is None)


@given(objects, objects)
@settings(max_examples=examples(200))
def test_the_same_update_twice_is_the_same_as_once(old, new):
    once = merge(old, new, NAMES)

    assert merge(once, new, NAMES) == once


@given(objects, objects)
@settings(max_examples=examples(100))
def test_what_is_merged_stays_as_it_is(old, new):
    """Neither object is changed: a refused update must leave no trace."""
    before = msgspec.json.encode([old, new])
    merge(old, new, NAMES)

    assert msgspec.json.encode([old, new]) == before


# ── The session ──────────────────────────────────────────────────────────────

turns = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["server_vad", "semantic_vad"]),
        "threshold": st.floats(0, 1),
        "prefix_padding_ms": st.integers(0, 5_000),
        "silence_duration_ms": st.integers(50, 10_000),
        "eagerness": st.sampled_from(["low", "medium", "high", "auto"]),
        "create_response": st.booleans() | st.none(),
        "interrupt_response": st.booleans(),
        "idle_timeout_ms": st.none() | st.integers(0, 30_000),
        "unknown": st.integers(),
    },
)
transcriptions = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["whisper-1", "gpt-live-transcribe", "ears"]) | st.none(),
        "language": st.sampled_from(["en", "de"]) | st.none(),
        "languages": st.lists(st.sampled_from(["en", "de"]), max_size=3),
        "prompt": st.text(st.characters(codec="utf-8"), max_size=5) | st.none(),
        "keywords": st.lists(st.sampled_from(["Ada"]), max_size=2),
        "delay": st.sampled_from(["low", "xhigh"]),
    },
)
formats = st.sampled_from(
    [
        "pcm16",
        "g711_ulaw",
        {"type": "audio/pcm"},
        {"type": "audio/pcm", "rate": 24_000},
        {"type": "audio/pcma"},
        {"rate": 24_000},
        None,
    ]
)
inputs = st.fixed_dictionaries(
    {},
    optional={
        "format": formats,
        "transcription": st.none() | transcriptions,
        "turn_detection": st.none() | turns,
        "noise_reduction": st.none() | st.just({"type": "far_field"}),
    },
)
outputs = st.fixed_dictionaries(
    {},
    optional={
        "format": formats,
        "voice": st.sampled_from(["alloy", {"id": "mine"}, None]),
        "speed": st.floats(0.25, 4) | st.none(),
    },
)
updates = st.fixed_dictionaries(
    {},
    optional={
        "audio": st.fixed_dictionaries({}, optional={"input": inputs, "output": outputs}),
        "include": st.none() | st.just(["item.input_audio_transcription.logprobs"]),
        "instructions": st.none() | st.just("Speak slowly."),
        "output_modalities": st.just(["audio"]),
        "tools": st.just([{"type": "function", "name": "f"}]),
        "id": st.just("sess_mine"),
        "nonsense": st.integers(),
    },
)


@given(st.sampled_from(["transcription", "realtime"]), st.lists(updates, max_size=4))
@settings(max_examples=examples(200))
def test_whatever_is_sent_the_session_is_openais(kind, changes):
    """A state is the old one or a new one, and what is sent of it fits OpenAI's types to the letter."""
    state, params = fresh(kind), []
    for change in changes:
        before = msgspec.json.encode(state.session)
        try:
            state = updated(state, kind, **change)
        except RequestError as refused:
            params.append(refused.param)
            assert msgspec.json.encode(state.session) == before
        checked(msgspec.json.encode(SessionUpdated(session=state.session)))
        assert state.session.id == "sess_1"
    assert all(param.startswith("session.") for param in params)


@given(st.lists(inputs, max_size=3))
@settings(max_examples=examples(100))
def test_an_update_of_nothing_changes_nothing(changes):
    state = fresh()
    for change in changes:
        try:
            state = updated(state, audio={"input": change})
        except RequestError:
            continue

    assert updated(state).session == state.session
    assert updated(state, **msgspec.to_builtins(state.session)).session == state.session


def test_a_part_of_turn_detection_keeps_the_rest():
    """The type, and a new session's short silence."""
    state = updated(fresh(), audio={"input": {"turn_detection": {"threshold": 0.8}}})

    assert heard(state)["turn_detection"] == heard(fresh())["turn_detection"] | {"threshold": 0.8}
    assert heard(state)["turn_detection"]["silence_duration_ms"] == 200


def test_turn_detection_by_its_type_has_openais_silence():
    """500 ms where it is given without; what was given once stays."""
    named = updated(fresh(), audio={"input": {"turn_detection": {"type": "server_vad"}}})
    set_once = updated(named, audio={"input": {"turn_detection": {"silence_duration_ms": 900}}})
    kept = updated(set_once, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.3}}})

    assert heard(named)["turn_detection"]["silence_duration_ms"] == 500
    assert heard(kept)["turn_detection"]["silence_duration_ms"] == 900
    assert heard(kept)["turn_detection"]["threshold"] == 0.3


def test_another_type_replaces_the_object():
    """Nothing of the old one is left, and nothing comes back."""
    first = updated(fresh(), audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}})
    second = updated(first, audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    third = updated(second, audio={"input": {"turn_detection": {"type": "server_vad"}}})

    assert heard(second)["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    assert heard(third)["turn_detection"]["threshold"] == 0.5


def test_null_clears():
    state = updated(
        fresh(),
        audio={"input": {"turn_detection": None, "transcription": {"language": "en", "prompt": "p"}}},
    )
    part = updated(state, audio={"input": {"transcription": {"language": None}}})
    whole = updated(part, audio={"input": {"transcription": None}})

    assert heard(state)["turn_detection"] is None
    assert heard(part)["transcription"] == {"prompt": "p"}
    assert heard(whole)["transcription"] is None


def test_turn_detection_that_is_off_needs_a_type():
    """There is nothing to merge with."""
    off = updated(fresh(), audio={"input": {"turn_detection": None}})

    with pytest.raises(RequestError) as refused:
        updated(off, audio={"input": {"turn_detection": {"threshold": 0.5}}})

    assert refused.value.code == "missing_required_parameter"
    assert refused.value.param == "session.audio.input.turn_detection.type"


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"type": None}, "missing_required_parameter", "session.type"),
        ({"type": 7}, "invalid_value", "session.type"),
        ({"type": "translation"}, "invalid_value", "session.type"),
        ({"audio": 7}, "invalid_value", "session.audio"),
        ({"audio": {"input": {"format": "mp3"}}}, "invalid_value", "session.audio.input.format.type"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 96_000}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        *(
            (
                {"audio": {"input": {"turn_detection": {name: value}}}},
                "invalid_value",
                f"session.audio.input.turn_detection.{name}",
            )
            for name, value in (
                ("threshold", 1.1),
                ("threshold", "high"),
                ("prefix_padding_ms", 5_001),
                ("silence_duration_ms", 49),
                ("silence_duration_ms", 10_001),
                ("type", "none"),
            )
        ),
        (
            {"audio": {"input": {"transcription": {"keywords": "Ada"}}}},
            "invalid_value",
            "session.audio.input.transcription.keywords",
        ),
        ({"include": ["everything"]}, "invalid_value", "session.include[0]"),
    ],
    ids=str,
)
def test_what_is_refused(changes, code, param):
    with pytest.raises(RequestError) as refused:
        updated(fresh(), **changes)

    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"output_modalities": ["text"]}, "session.output_modalities"),
        ({"audio": {"output": {"speed": 5}}}, "session.audio.output.speed"),
        ({"audio": {"output": {"voice": {"id": 7}}}}, "session.audio.output.voice.id"),
        ({"model": ["m"]}, "session.model"),
    ],
    ids=str,
)
def test_what_a_realtime_session_refuses(changes, param):
    with pytest.raises(RequestError) as refused:
        updated(fresh("realtime"), "realtime", **changes)

    assert refused.value.param == param


def test_the_other_type_begins_afresh():
    """Until something was heard or said; id and end stay."""
    state = updated(fresh(), audio={"input": {"turn_detection": None}})
    switched = updated(state, "realtime", audio={"output": {"voice": "alloy"}})

    assert switched.session.audio.output.voice == "alloy"
    assert heard(switched)["turn_detection"]["type"] == "server_vad"
    assert (switched.session.id, switched.session.expires_at) == ("sess_1", 1)
    with pytest.raises(RequestError) as refused:
        updated(state, "realtime", may_switch=False)
    assert (refused.value.code, refused.value.param) == ("invalid_parameter", "session.type")


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper-2026-05-01"])
def test_models_whose_clients_commit_by_themselves(model):
    """Turn detection is off unless the update, or an earlier one, has said otherwise."""
    wish = {"transcription": {"model": model}}
    silent = updated(fresh(), audio={"input": wish})
    spoken = updated(fresh(), audio={"input": wish | {"turn_detection": {"type": "server_vad"}}})
    later = updated(spoken, include=None)

    assert heard(silent)["turn_detection"] is None
    assert heard(spoken)["turn_detection"]["type"] == "server_vad"
    assert heard(later)["turn_detection"]["type"] == "server_vad"


def test_the_beta_and_back():
    """Each flat field comes back as it was sent."""
    flat = {
        "input_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": {"silence_duration_ms": 700},
    }
    state = fresh().updated(from_beta(flat), may_switch=True)
    back = msgspec.to_builtins(as_beta(state.session))

    assert set(flat) == set(BETA_FIELDS)
    assert back["input_audio_format"] == flat["input_audio_format"]
    assert back["input_audio_transcription"] == flat["input_audio_transcription"]
    assert back["input_audio_noise_reduction"] == flat["input_audio_noise_reduction"]
    assert back["turn_detection"]["type"] == "server_vad"
    assert back["turn_detection"]["silence_duration_ms"] == 700


@pytest.mark.parametrize(
    ("kind", "openais"),
    [
        ("transcription", RealtimeTranscriptionSessionCreateRequest),
        ("realtime", RealtimeSessionCreateRequest),
    ],
)
def test_a_client_may_send_back_what_it_got(kind, openais):
    """The session object, read by OpenAI's type and sent as an update, changes nothing."""
    state = fresh(kind)
    text = msgspec.json.encode(SessionUpdated(session=state.session))
    event = TypeAdapter(SessionUpdatedEvent).validate_json(text)
    sent = event.session.model_dump(mode="json")

    assert isinstance(event.session, openais)
    assert state.updated(sent, may_switch=False).session == state.session


def test_unknown_fields_cost_nothing():
    """A client can send any number of them, at any place; nothing looks into them."""

    class Sealed(dict):
        def items(self):
            raise AssertionError("looked into")

    strange = {f"x{number}": Sealed(a=1) for number in range(1000)}
    heard_ = {"transcription": {"language": "de"} | strange} | strange
    state = updated(fresh(), audio={"input": heard_} | strange, **strange)

    assert heard(state)["transcription"] == {"language": "de"}

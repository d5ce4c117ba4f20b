"""The codec between hub and worker, on every dataclass that the public API has."""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typing_extensions import TypeAliasType

from speechhub import engine
from speechhub.domain.audio import Pcm16Audio
from speechhub.engine import (
    Audio,
    Call,
    CudaArithmetic,
    EngineSpec,
    LoadContext,
    ModelSpec,
    Segment,
    Stamp,
    SynthesizeRequest,
    TranscribeRequest,
    Transcript,
    Voice,
    Word,
)
from speechhub.errors import EngineError, EngineProtocolError
from speechhub.worker.values import from_parts, pack, to_parts, unpack
from tests.generated import examples

LOCAL = {Call, CudaArithmetic, EngineSpec, ModelSpec, Stamp}
"""Values that never leave their process, and descriptions, which cross as JSON; see test_find.py."""
PUBLIC = [
    value
    for value in vars(engine).values()
    if inspect.isclass(value) and dataclasses.is_dataclass(value) and value not in LOCAL
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = {
    float: st.floats(allow_nan=False),
    Path: st.text("abc é/.", max_size=20).map(Path),
    Audio: st.builds(
        Audio,
        samples=arrays(np.float32, st.integers(0, 50), elements=st.floats(-1, 1, width=32)),
        sample_rate=st.integers(8000, 48_000),
    ),
    LoadContext: st.builds(
        LoadContext,
        model=st.text(),
        model_dir=st.none() | st.text("abc", min_size=1).map(Path),
        device=st.text(),
        threads=st.integers(),
        options=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    ),
}
for _kind, _strategy in FIELDS.items():
    st.register_type_strategy(_kind, _strategy)


def comparable(value):
    """Replace arrays, whose `==` is not a truth value, by their bytes."""
    if dataclasses.is_dataclass(value):
        return type(value), [comparable(getattr(value, f.name)) for f in dataclasses.fields(value)]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        return type(value), [comparable(item) for item in value]
    return type(value), value


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=examples(30), deadline=None)
def test_every_public_value_comes_back_equal(kind, data):
    """Through the very bytes that cross, types of all fields included."""
    value = data.draw(st.from_type(kind))

    received = from_parts(kind, tuple(bytearray(part) for part in to_parts(value)))

    assert comparable(received) == comparable(value)


def test_the_walk_over_the_public_api_finds_something():
    assert {Transcript, TranscribeRequest, SynthesizeRequest, LoadContext, Voice} <= set(PUBLIC)


def test_samples_travel_raw():
    """Audio is not in the JSON, and what is sent is the caller's memory, not a copy of it."""
    samples = np.linspace(-1, 1, 1000, dtype=np.float32)

    raw, [buffer] = pack(Audio(samples=samples, sample_rate=16_000))

    assert len(json.dumps(raw)) < 20
    assert np.shares_memory(np.frombuffer(buffer, dtype=np.float32), samples)


def test_received_samples_can_be_written_to():
    """PyTorch warns about read-only arrays, on every call."""
    [part, text] = to_parts(Audio(samples=np.zeros(4, dtype=np.float32), sample_rate=8000))

    received = from_parts(Audio, (bytearray(part), text))

    assert received.samples.flags.writeable
    assert received.samples.flags.aligned


def test_16_bit_samples_travel_as_they_are_and_arrive_as_float32():
    """Half the bytes, and nothing lost."""
    pcm16 = np.array([-32768, -1, 0, 1, 32767], dtype=np.int16)
    request = TranscribeRequest(audio=Pcm16Audio(pcm16=pcm16, sample_rate=16_000), language="en")

    part, text = to_parts([request], list[TranscribeRequest])
    [received] = from_parts(list[TranscribeRequest], (bytearray(part), text))

    assert np.shares_memory(np.frombuffer(part, dtype=np.int16), pcm16)
    assert type(received.audio) is Audio
    assert received.audio.samples.dtype == np.float32
    assert received.audio.samples.flags.writeable
    assert received.audio.samples.tolist() == [-1.0, -1 / 32768, 0.0, 1 / 32768, 32767 / 32768]
    assert received.audio.sample_rate == 16_000
    assert received.language == "en"


def test_slices_and_strides_are_sent_right():
    samples = np.arange(10, dtype=np.float32)[::2]
    parts = to_parts(Audio(samples=samples, sample_rate=8000))

    assert from_parts(Audio, parts).samples.tolist() == [0, 2, 4, 6, 8]


def test_numbers_of_numpy_become_numbers_of_python():
    """Engines put them where Python's belong, and JSON does not take them."""
    word = Word(text="a", start_s=np.float32(0.5), end_s=np.float64(1), probability=1)
    segment = Segment(text="a", start_s=0.5, end_s=1, words=(word,), tokens=(np.int64(7),))

    received = from_parts(Segment, to_parts(segment))

    assert received.tokens == (7,)
    assert type(received.words[0].start_s) is float
    assert type(received.words[0].probability) is float


@pytest.mark.parametrize(
    "value",
    [
        Transcript(text=None, duration_s=1.0),
        Transcript(text="a", duration_s="1.0"),
        Transcript(text="a", duration_s=None),
        Transcript(text="a", duration_s=1.0, segments=("secret",)),
        Transcript(text="a", duration_s=1.0, segments="secret"),
        Audio(samples=[0.1, 0.2], sample_rate=8000),
        Audio(samples=np.zeros(3), sample_rate=8000),
        Audio(samples=np.zeros((1, 3), dtype=np.float32), sample_rate=8000),
        Audio(samples=np.zeros(3, dtype=np.float32), sample_rate=8000.5),
        Pcm16Audio(pcm16=np.zeros(3, dtype=np.float32), sample_rate=8000),
        Pcm16Audio(pcm16=np.zeros(3, dtype=np.int16), sample_rate=8000.5),
        LoadContext(model="a", model_dir="folder"),
        LoadContext(model="a", model_dir=None, options={"when": object()}),
        TranscribeRequest(
            audio=Audio(samples=np.zeros(1, dtype=np.float32), sample_rate=1), task="transcribe"
        ),
    ],
)
def test_wrong_field_is_refused_where_it_is_sent(value):
    """By the side whose fault it is, and without quoting what may be a transcript."""
    with pytest.raises(EngineError, match=r"^An? \S+.* has a wrong field") as caught:
        to_parts(value)

    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [None, "text", 5, {}, [], [1], ["a", None, 1.0, [], "extra"], ["a", None, 1, []], ["a", 5, 1.0, []],
     ["a", None, 1.0, [["too", "few"]]], ["a", None, 1.0, "segments"]],
)  # fmt: skip
def test_value_that_the_other_side_cannot_have_written_is_refused(raw):
    """A field too many, too few, or of another type."""
    with pytest.raises(EngineProtocolError):
        unpack(Transcript, raw, [])


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"",),
        (b"\xff",),
        (b"[",),
        (b"[0,16000]",),
        (b"123", b"[0,16000]"),
        (b'["pcm16",0,16000]',),
        (b"123", b'["pcm16",0,16000]'),
        (b"12", b'["pcm16",0]'),
        (b"12", b'["pcm16",0,"a"]'),
    ],
)
def test_parts_that_hold_no_value_are_refused(parts):
    with pytest.raises(EngineProtocolError):
        from_parts(Audio, parts)


def test_type_without_a_codec_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="cannot be sent"):
        to_parts({1, 2})


@pytest.mark.parametrize("generic", [True, False], ids=["generic", "plain"])
def test_an_alias_made_by_a_type_statement_is_what_it_stands_for(generic):
    """NDArray is one since numpy 2.5, which Python 3.12 and newer get: then nothing spoke or heard."""
    scalar = TypeVar("scalar", bound=np.generic)
    generic_alias = TypeAliasType(
        "Array", np.ndarray[tuple[int, ...], np.dtype[scalar]], type_params=(scalar,)
    )
    kind = generic_alias[np.float32] if generic else TypeAliasType("Samples", generic_alias[np.float32])
    samples = np.array([0.5, -0.5], np.float32)

    raw, buffers = pack(samples, kind)

    np.testing.assert_array_equal(unpack(kind, raw, buffers), samples)


def test_messages_have_the_right_article():
    """An Audio, but a Segment; an int, but a str."""
    with pytest.raises(EngineError, match=r"^An Audio has a wrong field: .*"):
        to_parts(Audio(samples=[0.0], sample_rate=16_000))
    with pytest.raises(EngineError, match=r"^A Segment has a wrong field: int is not a str\.$"):
        to_parts(Segment(text=1, start_s=0.0, end_s=1.0))

"""Recordings of utterances: whatever the formats and pieces, the decoder reads exactly what came."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechhub.codecs.decode import MIN_DURATION_S, decode
from speechhub.errors import AudioTooShortError, UnsupportedAudioError
from speechhub.services.account import PLACES, Account
from speechhub.services.spool import SPOOL_BYTES, Spool
from speechhub.wyoming.client_events import AudioChunk
from speechhub.wyoming.recording import UtteranceRecording, UtteranceTooLongError
from tests.generated import examples

RATE = 16_000
SHAPES = st.tuples(
    st.sampled_from([8000, 16_000, 22_050, 44_100, 48_000, 192_000]), st.integers(1, 4), st.integers(1, 8)
)
STRETCHES = st.lists(st.tuples(SHAPES, st.lists(st.integers(0, 9000), max_size=4)), max_size=6)
"""Stretches of one format each, as the sizes of their chunks in bytes."""


@pytest.fixture
def spool():
    made = Spool(Account().open())
    yield made
    made.close()


@settings(max_examples=examples(50), deadline=None)
@given(stretches=STRETCHES, sound=st.binary(min_size=1, max_size=40))
def test_any_pieces_of_any_formats_are_as_long_as_they_say(stretches, sound):
    """To some samples for each change, which a resampler rounds; part of a sample is no reason to fail."""
    account = Account()
    holding = account.open()
    spool = Spool(holding)
    recording = UtteranceRecording(spool, longest_s=60, most_bytes=10**7)
    for (rate, width, channels), sizes in stretches:
        for size in sizes:
            payload = (sound * size)[:size]
            recording.add(AudioChunk(rate=rate, width=width, channels=channels, payload=payload))

    file, said_s = recording.finish(), recording.duration_s
    sized = file.seek(0, 2)
    heard_s = 0.0
    if sized:
        try:
            heard_s = decode(file, sample_rate=RATE, max_duration_s=61).duration_s
        except AudioTooShortError:
            assert said_s < MIN_DURATION_S + 0.001 * len(stretches)
            heard_s = said_s
    spool.close()
    holding.close()

    assert heard_s == pytest.approx(said_s, abs=0.001 * (len(stretches) + 1))
    assert sized == spool_size_of(stretches)
    assert [account.held(place) for place in PLACES] == [0, 0]


def spool_size_of(stretches):
    """Return the size of all WAV files together: neighbours of one format are one."""
    merged = []
    for shape, sizes in stretches:
        if not sum(sizes):
            continue
        if merged and merged[-1][0] == shape:
            merged[-1][1] += sum(sizes)
        else:
            merged.append([shape, sum(sizes)])
    whole = [size - size % (shape[1] * shape[2]) for shape, size in merged]
    return sum(44 + size + size % 2 for size in whole if size)


def test_a_recording_may_move_to_disk_within_a_sample():
    """And the header, which is rewritten there, is right."""
    account = Account()
    spool = Spool(account.open())
    recording = UtteranceRecording(spool, longest_s=600, most_bytes=10**8)
    for _ in range(SPOOL_BYTES // 1000 + 300):
        recording.add(AudioChunk(rate=RATE, width=2, channels=1, payload=b"\1\2\3" * 333 + b"\4\5"))

    assert account.held("disk") == spool.size_bytes > SPOOL_BYTES
    heard = decode(recording.finish(), sample_rate=RATE, max_duration_s=600)
    assert heard.duration_s == recording.duration_s
    spool.close()


@pytest.mark.parametrize("rate", [1, 999, 384_001])
def test_rates_that_no_decoder_takes_are_refused(spool, rate):
    """With the first chunk."""
    recording = UtteranceRecording(spool, longest_s=9, most_bytes=10**6)
    with pytest.raises(UnsupportedAudioError, match=str(rate)):
        recording.add(AudioChunk(rate=rate, width=2, channels=1, payload=b"\0\0"))


def test_audio_of_exactly_the_greatest_length_is_taken(spool):
    """Any more is not."""
    recording = UtteranceRecording(spool, longest_s=1, most_bytes=10**6)
    for _ in range(50):
        recording.add(AudioChunk(rate=RATE, width=2, channels=1, payload=bytes(640)))

    with pytest.raises(UtteranceTooLongError):
        recording.add(AudioChunk(rate=RATE, width=2, channels=1, payload=bytes(2)))
    assert recording.duration_s == 1
    assert decode(recording.finish(), sample_rate=RATE, max_duration_s=1).duration_s == 1

"""Plain WAV takes a short way, and arrives at the same samples."""

import io
import wave

import numpy as np
import pytest

from speechhub.codecs import decode as decoding
from speechhub.codecs.decode import decode
from speechhub.codecs.plain import MAX_CHUNKS, QUICK_BYTES, plain_wav, quick_wav
from speechhub.domain.audio import Pcm16Audio

SAMPLES = (np.sin(np.arange(40_000) * 0.05) * 20_000).astype("<i2")


def wav_file(*, channels=1, width=2, rate=16_000):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(SAMPLES.tobytes())
    return out.getvalue()


def test_the_short_way_gives_what_ffmpeg_gives(monkeypatch):
    """Sample for sample, within what float32 can tell."""
    short = decode(wav_file(), sample_rate=16_000, max_duration_s=10)
    monkeypatch.setattr(decoding, "plain_wav", lambda file, rate: None)
    long = decode(wav_file(), sample_rate=16_000, max_duration_s=10)

    assert len(short.samples) == len(long.samples) == len(SAMPLES)
    assert np.abs(short.samples - long.samples).max() < 1e-6


@pytest.mark.parametrize("other", [{"channels": 2}, {"width": 1}, {"rate": 44_100}])
def test_anything_else_takes_the_long_way(other):
    """Stereo, other widths and other rates are for FFmpeg."""
    assert plain_wav(io.BytesIO(wav_file(**other)), 16_000) is None


@pytest.mark.parametrize("broken", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVE", wav_file()[:30]])
def test_a_broken_header_takes_the_long_way(broken):
    """What the standard library cannot read is not refused here."""
    assert plain_wav(io.BytesIO(broken), 16_000) is None


def test_length_is_what_is_there(monkeypatch):
    """A header that lies about its length, as a streamed file's does, is not believed."""
    data = bytearray(wav_file())
    data[40:44] = b"\xff\xff\xff\xff"

    audio = decode(bytes(data[:-2000]), sample_rate=16_000, max_duration_s=10)

    assert len(audio.samples) == len(SAMPLES) - 1000


def test_chunks_before_the_samples_are_skipped():
    """FFmpeg and editors write tags there; the length of a chunk is padded to even."""
    data = wav_file()
    tagged = data[:12] + b"LIST\x03\0\0\0abc\0" + data[12:36] + b"fact\x04\0\0\0data" + data[36:]

    samples = quick_wav(io.BytesIO(tagged), 16_000, 10)

    assert np.array_equal(samples, SAMPLES)


def test_a_header_made_of_many_chunks_takes_the_long_way():
    """Or a small file could keep the event loop busy."""
    data = wav_file()

    assert plain_wav(io.BytesIO(data[:36] + b"junk\0\0\0\0" * MAX_CHUNKS + data[36:]), 16_000) is None


def test_samples_end_where_their_chunk_ends():
    """What follows may be tags."""
    samples = quick_wav(io.BytesIO(wav_file() + b"LIST\x04\0\0\0tags"), 16_000, 10)

    assert np.array_equal(samples, SAMPLES)


@pytest.mark.parametrize(
    "data",
    [
        wav_file(channels=2),
        wav_file() + bytes(QUICK_BYTES),
        wav_file()[:44],
        wav_file()[:40] + bytes(4) + SAMPLES.tobytes(),
        b"RIFFftypWAVE" + wav_file()[12:],
        b"",
        b"\xff" * 1000,
    ],
    ids=["stereo", "large", "empty", "streamed", "two kinds at once", "nothing", "noise"],
)
def test_only_what_needs_no_decoding_is_read_at_once(data):
    """Everything else is for a thread, and for FFmpeg."""
    assert quick_wav(io.BytesIO(data), 16_000, 10) is None


def test_a_recording_longer_than_a_passage_is_not_read_at_once():
    """It has to be cut, and listening for its silences takes time."""
    assert quick_wav(io.BytesIO(wav_file()), 16_000, 2.5) is not None
    assert quick_wav(io.BytesIO(wav_file()), 16_000, 2.499) is None


def test_what_is_read_at_once_is_what_would_be_decoded():
    """To the last bit, whoever converts it."""
    decoded = decode(wav_file(), sample_rate=16_000, max_duration_s=10)
    audio = Pcm16Audio(pcm16=quick_wav(io.BytesIO(wav_file()), 16_000, 10), sample_rate=16_000)

    assert np.array_equal(audio.samples, decoded.samples)
    assert audio.samples.dtype == np.float32
    assert audio.duration_s == decoded.duration_s == 2.5
    assert np.array_equal(audio.slice_s(1, 2).samples, decoded.slice_s(1, 2).samples)

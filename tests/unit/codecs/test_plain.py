"""Plain WAV takes a short way, and arrives at the same samples."""

import io
import wave

import numpy as np
import pytest

from speechhub.codecs import decode as decoding
from speechhub.codecs.decode import decode
from speechhub.codecs.plain import plain_wav

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

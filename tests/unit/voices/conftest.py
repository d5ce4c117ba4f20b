"""Recordings of nobody, and an empty library."""

import io
import wave

import numpy as np
import pytest

from speechhub.voices import VoiceLibrary
from speechhub.voices.recording import RATE, Recording


def tone(seconds=2.0, *, hertz=220.0, level=0.3, rate=RATE):
    """Return float32 samples of a tone."""
    return (np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * hertz / rate) * level).astype(np.float32)


def wav(samples, rate=RATE):
    """Return a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def recording(hertz=220.0, seconds=1.0):
    """Return a recording that differs from those at other pitches."""
    return Recording(pcm16=np.rint(tone(seconds, hertz=hertz) * 32767).astype("<i2").tobytes())


@pytest.fixture
def library(tmp_path):
    return VoiceLibrary(tmp_path / "voices", limit=3)

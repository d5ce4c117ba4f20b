"""Engines of the load test, the recordings sent to them, and the checks of their answers."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import jiwer
import numpy as np
import soxr
from numpy.typing import NDArray

from tests.unit.codecs.recordings import record

CLIPS = Path(__file__).resolve().parents[2] / "plugins" / "speechhub-whisper" / "tests" / "clips"
SPOKEN = {
    "en": "The old lighthouse stood at the edge of the cliff. "
    "Every evening, the keeper climbed the narrow stairs to light the great lamp.",
    "en2": "Making bread at home is easier than most people think. "
    "You only need flour, water, salt, and a little yeast.",
    "en3": "Travellers read the news on small screens now. "
    "Some of them miss the sound of turning pages, while others enjoy the silence.",
}
"""The words spoken in each clip."""
CONTAINERS = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "mp3": ("mp3", "libmp3lame", 16_000),
    "flac": ("flac", "flac", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "m4a": ("mp4", "aac", 16_000),
}
"""Name → container, codec and sample rate of uploads."""
MAX_WER = 0.2
ECHO_WORD_S = 0.5
"""Length of audio, in seconds, that the echo engine hears as one word."""
PLAIN = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A recording, and the words spoken in it."""

    data: bytes
    said: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Models for both directions, and what to expect of them."""

    stt: str
    tts: str
    hears: Callable[[Clip, str], bool]
    """Whether a text is a correct transcript of a clip by the model."""
    word_s: tuple[float, float]
    """Shortest and longest time for a spoken word, in seconds."""
    env: dict[str, str]
    """The server's settings."""


def clips() -> list[Clip]:
    """Return speech in every container, the same bytes every time."""
    made = []
    for name, said in SPOKEN.items():
        samples = samples_of((CLIPS / f"{name}.ogg").read_bytes(), 16_000)
        for container, codec, rate in CONTAINERS.values():
            resampled = soxr.resample(samples, 16_000, rate)
            data = record(container, codec, rate=rate, samples=resampled)
            made.append(Clip(data=data, said=said, duration_s=len(samples) / 16_000))
    return made


def samples_of(data: bytes, sample_rate: int) -> NDArray[np.float32]:
    """Return a whole recording as mono float32 at *sample_rate*."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    with av.open(io.BytesIO(data)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def whisper_hears(clip: Clip, text: str) -> bool:
    """Return whether at most a fifth of the words are wrong."""
    heard = " ".join(text.split())
    return jiwer.wer(clip.said, heard, reference_transform=PLAIN, hypothesis_transform=PLAIN) <= MAX_WER


def echo_hears(clip: Clip, text: str) -> bool:
    """Return whether there is a word for each half second, with tolerance for the padding of codecs."""
    return abs(len(text.split()) - math.ceil(clip.duration_s / ECHO_WORD_S)) <= 1


REAL = Engines(stt="whisper-base", tts="piper-en-us-joe", hears=whisper_hears, word_s=(0.12, 1.0), env={})
ECHO = Engines(
    stt="echo-stt",
    tts="echo-tts",
    hears=echo_hears,
    word_s=(0.2, 0.35),
    env={"SPEECHHUB_ENGINES": '{"echo-stt": {"work_s": 0.01}, "echo-tts": {"work_s": 0.002}}'},
)

"""Something that a voice detector takes for speech: vowels and hisses, made by formulas."""

import io
import wave
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 16_000
VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Formants of five vowels, in hertz. Source: Peterson and Barney (1952), men."""


@lru_cache(maxsize=64)
def babble(seconds: float, rate: int = RATE, seed: int = 1) -> Samples:
    """Return speech without words or pauses; float32, shape (n_samples,), range [-0.5, 0.5]; read-only."""
    random = np.random.default_rng(seed)
    parts, length = [], 0
    while length < seconds * rate:
        parts += [0.1 * random.standard_normal(rate // 25), _vowel(random, rate)]
        length += sum(map(len, parts[-2:]))
    samples = np.concatenate(parts)[: round(seconds * rate)].clip(-0.5, 0.5).astype(np.float32)
    samples.flags.writeable = False
    return samples


def _vowel(random: np.random.Generator, rate: int) -> NDArray[np.float64]:
    time_s = np.arange(round(rate * random.uniform(0.12, 0.3))) / rate
    pitch_hz = random.uniform(95, 150)
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 - 0.15 * time_s / time_s[-1])) / rate
    formants = VOWELS[random.integers(len(VOWELS))]
    wave = np.zeros(len(time_s))
    for number in range(1, min(36, int(rate / 2 / pitch_hz))):
        widths = zip(formants, (80, 100, 140), (1, 0.6, 0.3), strict=True)
        loudness = sum(gain / (1 + ((number * pitch_hz - hz) / width) ** 2) for hz, width, gain in widths)
        wave += loudness * np.sin(number * phase)
    fade = np.clip(np.minimum(time_s / 0.02, (time_s[-1] - time_s) / 0.04), 0, 1)
    shaped: NDArray[np.float64] = 0.5 * fade * wave / np.abs(wave).max()
    return shaped


def talk(*seconds: float, rate: int = RATE) -> Samples:
    """Return speech and silence in turns, speech first; 0 leaves a turn out."""
    parts = [
        np.zeros(round(length * rate), np.float32) if turn % 2 else babble(length, rate, seed=turn)
        for turn, length in enumerate(seconds)
        if length
    ]
    return np.concatenate(parts)


def wav_of(samples: Samples, rate: int = RATE) -> bytes:
    """Return a WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()

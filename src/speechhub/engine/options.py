"""What one call asks of an engine.

The hub has checked every value against the engine's capabilities before the engine sees it: a field that
the engine did not declare holds its default.
New fields come with defaults, so that an engine written today keeps working.
"""

from dataclasses import dataclass
from enum import StrEnum

from speechhub.domain.audio import Audio


class Task(StrEnum):
    """What to make of the speech."""

    TRANSCRIBE = "transcribe"
    """Text in the language that is spoken."""
    TRANSLATE = "translate"
    """English text, whatever is spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeRequest:
    """One recording and how to transcribe it."""

    audio: Audio
    """At the engine's declared sample rate, not empty, not longer than its declared longest input."""
    task: Task = Task.TRANSCRIBE
    """TRANSLATE only for engines that declare `translation`."""
    language: str | None = None
    """ISO 639-1 code out of the model's languages; None means detect it."""
    prompt: str | None = None
    """Text that the recording continues, or that sets its style and vocabulary; needs `prompt`."""
    hotwords: tuple[str, ...] = ()
    """Terms that are likely to occur; needs `hotwords`."""
    temperature: float | None = None
    """Sampling temperature, 0 to 1; None leaves it to the engine. Needs `temperature`."""
    word_timestamps: bool = False
    """Fill `Segment.words`; needs `word_timestamps`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizeRequest:
    """One text and how to speak it."""

    text: str
    """Not blank, and not longer than the engine's declared longest input."""
    voice: str
    """Id of one of the model's voices."""
    language: str | None = None
    """ISO 639-1 code of the text; None means that the voice, or the engine, decides."""
    speed: float = 1.0
    """1 is the voice's own pace, 2 twice as fast; other than 1 needs `native_speed`."""
    instructions: str | None = None
    """How to speak, in plain words; needs `instructions`."""

"""Requests: what one call asks of an engine.

The hub checks every value against the engine's capabilities before the engine sees it: a field that the
engine did not declare holds its default.
New fields come with defaults, so that an engine written today keeps working.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from speechhub.domain.audio import Audio


class Task(StrEnum):
    """What to make of the speech."""

    TRANSCRIBE = "transcribe"
    """Text in the language that is spoken."""
    TRANSLATE = "translate"
    """English text, whatever language is spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeRequest:
    """One recording and how to transcribe it."""

    audio: Audio
    """At the engine's declared sample rate, not empty, not longer than its declared longest input."""
    task: Task = Task.TRANSCRIBE
    """TRANSLATE only for engines that declare `translation`."""
    language: str | None = None
    """ISO 639-1 code out of the model's languages; None means detect it."""
    languages: tuple[str, ...] = ()
    """Codes of the languages that may be spoken, if `language` is None; empty means any. If the engine
    reports another one, the hub has it decode again; an engine that heeds this field saves that."""
    prompt: str | None = None
    """Text that the recording continues, or that sets its style and vocabulary; needs `prompt`."""
    hotwords: tuple[str, ...] = ()
    """Terms that are likely to occur; needs `hotwords`."""
    temperature: float | None = None
    """Sampling temperature, 0 to 1; None leaves it to the engine. Needs `temperature`."""
    word_timestamps: bool = False
    """Fill `Segment.words`; needs `word_timestamps`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenRequest:
    """One piece of an utterance that an engine hears while it is spoken; see `SttEngine.begin`."""

    session: str
    """Id of the live session, which hears one utterance; no other session ever has the same."""
    audio: Audio
    """What was said since the session's last request, at the engine's declared sample rate; may be empty. All
    pieces together are not longer than the engine's declared longest input."""
    first: bool = False
    """Begins the session. All other requests need the session that their first one began."""
    last: bool = False
    """No more audio comes: the answer is final, and the session is over."""
    abandon: bool = False
    """Forget the session, whether or not there is one; the answer does not matter."""
    language: str | None = None
    """As for `TranscribeRequest`; this and what follows stands in the first request, and holds for all."""
    prompt: str | None = None
    """As for `TranscribeRequest`."""
    hotwords: tuple[str, ...] = ()
    """As for `TranscribeRequest`."""


EMOTIONS: Final = ("happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm")
"""The emotions that the positions of `Emotion.vector` stand for. Source: IndexTTS-2's README, emo_vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A recording of a person, to speak in that voice or with that emotion."""

    audio: Audio
    """At the engine's declared `reference_sample_rate`, and not longer than its `longest_reference_s`."""
    digest: str
    """SHA-256 of the upload, in hex: the key under which results computed from a reference can be kept."""
    stored: bool = False
    """Whether the voice library keeps the speaker. Only then may what is computed from the recording go into
    `LoadContext.cache_dir`: a clip that came with a request must leave nothing on disk."""


class TextPart(StrEnum):
    """One part of turning a written text into what a reader would say."""

    MARKUP = "markup"
    """Markdown, tags, entities and emoji, and the pauses that lines and paragraphs make."""
    NUMBERS = "numbers"
    """Counts, decimals, percentages, ordinal numbers, years and times of day, in the text's language."""
    NOTATION = "notation"
    """Shorthand around numbers: currencies, units, ranges, dates, fractions, decades, telephone numbers."""
    COMMON_ABBREVIATIONS = "common_abbreviations"
    """Abbreviations and signs that espeak-ng reads right, in English ``Dr.``, ``Mr.``, ``etc.`` and ``&``."""
    ABBREVIATIONS = "abbreviations"
    """All abbreviations, the common ones among them."""


class EmotionMode(StrEnum):
    """How a request gives the engine the emotion."""

    AUTO = "auto"
    """Not at all: the voice's own emotion."""
    AUDIO = "audio"
    """By a recording with that emotion, of any speaker."""
    VECTOR = "vector"
    """By a weight for each of `EMOTIONS`."""
    TEXT = "text"
    """By a description, or by the text that is spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotion:
    """The emotion to speak with; fields that `mode` does not use hold their defaults."""

    mode: EmotionMode
    """One of the engine's declared `emotions`; never AUTO."""
    audio: Reference | None = None
    """Set for AUDIO."""
    vector: tuple[float, ...] = ()
    """For VECTOR, eight weights from 0 to 1 in the order of `EMOTIONS`; scaling them is up to the engine."""
    text: str | None = None
    """For TEXT, the description, or the beginning of the long text that this one is a part of; None means
    that the spoken text itself tells."""
    alpha: float = 1.0
    """Strength of the emotion, 0 to 1; 0 is the voice's own emotion."""
    random: bool = False
    """For VECTOR and TEXT: vary how the emotion sounds, at the cost of likeness to the voice."""


MAX_SEED: Final = 2**32 - 1
"""Largest seed; every random generator takes it."""
MAX_SILENCE_INTERVAL_MS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizeRequest:
    """One text and how to speak it."""

    text: str
    """Not blank, and not longer than the engine's declared longest input."""
    voice: str
    """Id of one of the model's voices; with a `reference`, the name that the client gave it."""
    language: str | None = None
    """ISO 639-1 code of the text; None means that the voice, or the engine, decides."""
    speed: float = 1.0
    """1 is the voice's own pace, 2 twice as fast; other than 1 needs `native_speed`."""
    instructions: str | None = None
    """How to speak, in plain words; needs `instructions`."""
    reference: Reference | None = None
    """A recording of the voice to speak in, instead of one of the model's voices; needs `cloning`."""
    emotion: Emotion | None = None
    """The emotion to speak with; None leaves it to the voice. Needs its mode in `emotions`."""
    seed: int | None = None
    """0 to `MAX_SEED`: the same request with the same seed must sound the same; None leaves it to chance.
    Needs `seed`. Each part of a long text comes with the same seed."""
    silence_interval_ms: int | None = None
    """Pause between the parts that the engine itself cuts the text into, in milliseconds, 0 to 5000; None
    leaves it to the engine. Needs `silence_interval`. Put no pause after the last part, and one before the
    first only with `follows_sentence`: the hub makes the pauses between calls out of the silence there."""
    follows_sentence: bool = False
    """Whether this text continues a speech whose last call ended with a sentence. The first audio then begins
    with the silence that the engine itself adds between two sentences of one text, so that a text lasts as
    long in several calls as in one. Nothing else changes: an engine that adds none ignores this field."""

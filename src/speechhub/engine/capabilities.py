"""Capabilities of engines: what the hub may ask of them; it adapts the rest, or refuses it."""

from dataclasses import Field, dataclass
from typing import Any, ClassVar

from speechhub.engine.options import EmotionMode, TextPart


class Capabilities:
    """What an engine can do; each slot has a subclass of its own, a frozen dataclass."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SttCapabilities(Capabilities):
    """What an STT engine can do; the hub adapts the rest, or refuses it with a clear message."""

    sample_rate: int = 16_000
    """Rate, in hertz, at which the engine wants its audio."""
    max_batch: int = 1
    """How many recordings one call may carry."""
    longest_input_s: float | None = None
    """Longest recording, in seconds, that one call may carry; None if any length will do."""
    segment_timestamps: bool = False
    """Whether transcripts have segments with times."""
    word_timestamps: bool = False
    """Whether segments can have words with times."""
    word_languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages whose words can have times; empty means all that the model knows."""
    language_detection: bool = False
    """Whether the engine detects and reports the spoken language when the request names none."""
    detects_per_passage: bool = False
    """Whether the engine should detect the language of each passage of a long recording, because that costs
    nothing, or because it would translate a passage in another language. Otherwise the language of the first
    passage holds for all."""
    invents_words: bool = False
    """Whether the engine writes words where there is no speech; the hub then sends it no such recordings."""
    translation: bool = False
    """Whether the engine can translate into English."""
    streaming: bool = False
    """Whether `SttEngine.stream` yields text before the end."""
    live_sessions: bool = False
    """Whether the engine hears utterances while they are spoken: `SttEngine.begin`. Needs engine API 2."""
    prompt: bool = False
    """Whether the engine uses `TranscribeRequest.prompt`."""
    hotwords: bool = False
    """Whether the engine uses `TranscribeRequest.hotwords`."""
    temperature: bool = False
    """Whether the engine uses `TranscribeRequest.temperature`."""
    diarization: bool = False
    """Whether segments name their speaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsCapabilities(Capabilities):
    """What a TTS engine can do; the hub adapts the rest, or refuses it with a clear message."""

    streaming: bool = False
    """Whether audio flows before the whole text has been spoken."""
    longest_input_chars: int | None = None
    """Longest text that one call may carry; None if any length will do."""
    native_speed: bool = False
    """Whether the engine uses `SynthesizeRequest.speed`; otherwise the hub stretches the audio."""
    instructions: bool = False
    """Whether the engine uses `SynthesizeRequest.instructions`."""
    cloning: bool = False
    """Whether the engine uses `SynthesizeRequest.reference`; its models may then lack voices of their own."""
    reference_sample_rate: int = 24_000
    """Rate, in hertz, at which the engine wants references, of voices and of emotions."""
    longest_reference_s: float | None = None
    """How much of a reference the engine uses, in seconds, from its start; None means all."""
    emotions: tuple[EmotionMode, ...] = ()
    """Ways to tell the engine an emotion, `EmotionMode.AUTO` left out; empty if there are none."""
    seed: bool = False
    """Whether the engine uses `SynthesizeRequest.seed`: the same seed, the same samples."""
    silence_interval: bool = False
    """Whether the engine cuts texts into parts itself and uses `SynthesizeRequest.silence_interval_ms`
    between them. Otherwise the hub, when a request asks for a pause, sends one sentence at a time and adds
    the pause itself."""
    annotations: bool = False
    """Whether the engine reads words with their pronunciation, ``<行|XING2>`` or ``<read|R EH1 D>``; others
    get the word alone."""
    normalizes: tuple[TextPart, ...] = ()
    """Parts of turning a written text into a spoken one that the engine does better itself; the hub leaves
    them to it, unless a request asks otherwise."""

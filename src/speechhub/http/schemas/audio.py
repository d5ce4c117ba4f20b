"""The shapes of speech and transcripts: what requests say and what answers hold.

Source: OpenAI's openapi.yaml and recorded answers; field by field in docs/http-api.md.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from speechhub.codecs.encode import MAX_RATE, MIN_RATE
from speechhub.engine import MAX_SEED, MAX_SILENCE_INTERVAL_MS
from speechhub.http.schemas.models import Name

TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
Granularity = Literal["word", "segment"]
LanguageName = Annotated[str, Meta(max_length=64)]
"""A code, or an English name."""
AudioTrack = Annotated[int, Meta(ge=1)] | LanguageName
"""One of a recording's audio tracks: its number, counted from 1, or its language."""
Prompt = Annotated[str, Meta(max_length=64 * 1024)]
"""Text for the engine beside the text to speak: as long as a field of a form may be."""


class ServerVad(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """Segmentation by voice activity, with OpenAI's parameters."""

    prefix_padding_ms: Annotated[int, Meta(ge=0)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0)] = 200
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5


class TranscriptionFields(msgspec.Struct, frozen=True, kw_only=True):
    """The text fields of a transcription or translation request; unknown ones are ignored."""

    model: Name | None = None
    """A model id or alias; unset means the default."""
    language: LanguageName | None = None
    """ISO 639-1 code of the speech; unset or ``auto`` means detect it."""
    prompt: Prompt | None = None
    """Text that sets style and vocabulary."""
    response_format: TranscriptFormat = "json"
    """What the answer looks like; ``diarized_json`` needs a model that tells speakers apart."""
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    """0 gives the most likely text; unset leaves it to the engine, which may raise it where it is unsure."""
    timestamp_granularities: tuple[Granularity, ...] = ()
    """For verbose_json: ``segment`` (default), ``word`` or both."""
    keywords: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    """Terms that are likely to occur."""
    languages: Annotated[tuple[LanguageName, ...], Meta(max_length=100)] = ()
    """Languages that may be spoken, where `language` names none; a single one is taken as `language`."""
    include: tuple[Literal["logprobs"], ...] = ()
    """Further details to report."""
    stream: bool = False
    """Whether to answer with events while the engine works."""
    audio_track: AudioTrack | None = None
    """Which audio track of a recording that has several: its number, counted from 1, or its language; unset
    or ``auto`` means the one that players take, or the first that can be decoded."""
    chunking_strategy: Literal["auto"] | ServerVad | None = None
    """How to cut long recordings; speechhub always cuts them at silences."""
    known_speaker_names: Annotated[tuple[Name, ...], Meta(max_length=4)] = ()
    """Names of speakers, for models that tell speakers apart."""
    known_speaker_references: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    """A clip of each of those speakers, as a data URL."""


class InputAudio(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in JSON."""

    data: str
    """The file in base64, bare or as a data URL."""
    format: Name | None = None
    """What format the client declares; speechhub detects it from the bytes."""


class VoiceRef(msgspec.Struct, frozen=True, kw_only=True):
    """A voice by its id."""

    id: Name


Weight = Annotated[float, Meta(ge=0, le=1)]


class EmotionVector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weight of each emotion; those left out are 0."""

    happy: Weight = 0.0
    angry: Weight = 0.0
    sad: Weight = 0.0
    afraid: Weight = 0.0
    disgusted: Weight = 0.0
    melancholic: Weight = 0.0
    surprised: Weight = 0.0
    calm: Weight = 0.0


class EmotionFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The emotion to speak with; unlike elsewhere, unknown fields are refused."""

    mode: Literal["auto", "audio", "vector", "text"] | None = None
    """What sets the emotion; unset means whichever of the next three is given, and ``auto`` if none is."""
    audio: Annotated[str, Meta(min_length=1)] | None = None
    """A recording with the emotion, in base64 or as a data URL; or the id or name of a custom voice."""
    vector: EmotionVector | Annotated[list[Weight], Meta(min_length=8, max_length=8)] | None = None
    """Weights by name, or all eight in the order of `EmotionVector`."""
    text: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """The emotion in words; if unset with mode ``text``, it is derived from ``input``."""
    alpha: Weight | None = None
    """Strength of the emotion; unset means 0.65 with modes ``audio`` and ``text``, and 1 with ``vector``."""
    random: bool = False
    """Vary how the emotion sounds; with modes ``vector`` and ``text``."""


class CreateSpeech(msgspec.Struct, frozen=True, kw_only=True):
    """A request for speech; unknown fields are ignored."""

    input: str
    """The text to speak."""
    model: Name | None = None
    """A model id or alias; unset means the default."""
    voice: str | VoiceRef | None = None
    """A voice of the model, one of OpenAI's names, a custom voice, or a clip in base64 or as a data URL;
    unset means the model's first."""
    instructions: Prompt | None = None
    """How to speak, for models that support it."""
    emotion: EmotionFields | None = None
    """The emotion to speak with, for models that support it."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    """Unset means the server's default, or mp3 where the model is one of OpenAI's names."""
    sample_rate: Annotated[int, Meta(ge=MIN_RATE, le=MAX_RATE)] | None = None
    """Sample rate of the audio, in hertz; unset means 24000. mp3, aac and opus have a few rates only."""
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] | None = None
    """1 is the voice's normal speed."""
    language: LanguageName | None = None
    """Language of the text, as a code or an English name; unset leaves it to the model."""
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    """The same request with the same seed gives the same audio, for models that support it."""
    silence_interval_ms: Annotated[int, Meta(ge=0, le=MAX_SILENCE_INTERVAL_MS)] | None = None
    """Pause between sentences, or between the parts that the engine cuts the text into, in milliseconds;
    unset leaves it to the voice."""
    text_normalization: Literal["auto", "markdown", "none"] | None = None
    """What counts as markup in the text; unset means the server's setting."""
    stream: bool | None = None
    """``false`` waits for the whole speech, so that Content-Length and the file's own header have its length;
    unset waits only where that takes no time, and ``true`` never."""
    stream_format: Literal["audio", "sse"] | None = None
    """``audio``, the default, is the file itself; ``sse`` wraps it in events."""


class DurationUsage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="duration"):
    """Usage as the duration of the audio."""

    seconds: int


class TokenDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of input tokens."""

    text_tokens: int
    audio_tokens: int


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tokens"):
    """Usage, estimated in OpenAI's units for clients that read them."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_token_details: TokenDetails | UnsetType = UNSET


class LanguageCode(msgspec.Struct, frozen=True, kw_only=True):
    """A language that is spoken in the recording."""

    code: str


class GroqRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Details of a request that Groq's clients read."""

    id: str
    """The request's id, as in ``x-request-id``."""


class TranscriptionJson(msgspec.Struct, frozen=True, kw_only=True):
    """Answer for ``json``."""

    text: str
    languages: list[LanguageCode] | UnsetType = UNSET
    usage: DurationUsage
    warnings: list[str] | UnsetType = UNSET
    """Warnings about the recording; left out if there are none."""
    x_groq: GroqRequest | UnsetType = UNSET
    """Only on ``/openai/v1/…``, which Groq's clients use."""


class DiarizedSegment(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcript.text.segment"
):
    """One speaker's stretch of ``diarized_json``, and of its stream."""

    id: str
    start: float
    end: float
    text: str
    speaker: str


class TranscriptionDiarized(msgspec.Struct, frozen=True, kw_only=True):
    """Answer for ``diarized_json``."""

    task: str
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: DurationUsage
    warnings: list[str] | UnsetType = UNSET
    """Warnings about the recording; left out if there are none."""


class TextDelta(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcript.text.delta"):
    """A piece of the transcript, which will not change."""

    delta: str


class TextDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcript.text.done"):
    """The whole transcript, at the end."""

    text: str
    languages: list[LanguageCode] | UnsetType = UNSET
    usage: TokenUsage
    warnings: list[str] | UnsetType = UNSET
    """Warnings about the recording; left out if there are none."""


class SpeechDelta(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="speech.audio.delta"):
    """Some bytes of the audio file."""

    audio: bytes
    """Base64 on the wire."""
    text: str | UnsetType = UNSET
    """On the first event: the text as spoken, line by line: without markup, and with numbers and signs in
    words where the engine does not read them itself."""


class PlainTokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of a request for speech, estimated in OpenAI's units."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="speech.audio.done"):
    """The end of the audio."""

    usage: PlainTokenUsage


class TranscriptionSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment of ``verbose_json``."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class TranscriptionWord(msgspec.Struct, frozen=True, kw_only=True):
    """One word of ``verbose_json``."""

    word: str
    start: float
    end: float


class TranscriptionVerbose(msgspec.Struct, frozen=True, kw_only=True):
    """Answer for ``verbose_json``."""

    task: str
    language: str
    """Lower-case English name; of several languages, the one that is spoken most."""
    languages: list[LanguageCode] | UnsetType = UNSET
    """All languages that are spoken, that one first; left out unless there are several."""
    duration: float
    text: str
    segments: list[TranscriptionSegment] | UnsetType = UNSET
    words: list[TranscriptionWord] | UnsetType = UNSET
    usage: DurationUsage
    warnings: list[str] | UnsetType = UNSET
    """Warnings about the recording; left out if there are none."""
    x_groq: GroqRequest | UnsetType = UNSET
    """Only on ``/openai/v1/…``, which Groq's clients use."""

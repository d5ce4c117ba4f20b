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
"""Text for the engine beside what is to be said: as long as a field of a form may be."""


class ServerVad(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """Cutting by voice activity, with OpenAI's parameters."""

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
    """0 is the most likely text; unset leaves it to the engine, which may raise it where it doubts."""
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
    """How to cut long recordings; speechhub always does so at silences, where it must."""
    known_speaker_names: Annotated[tuple[Name, ...], Meta(max_length=4)] = ()
    """Names of speakers, for models that tell speakers apart."""
    known_speaker_references: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    """A clip of each of those speakers, as a data URL."""


class InputAudio(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in JSON."""

    data: str
    """The file in base64, bare or as a data URL."""
    format: Name | None = None
    """What the client takes the file for; speechhub looks at the bytes."""


class VoiceRef(msgspec.Struct, frozen=True, kw_only=True):
    """A voice by its id."""

    id: Name


Weight = Annotated[float, Meta(ge=0, le=1)]


class EmotionVector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of each emotion; what is left out is 0."""

    happy: Weight = 0.0
    angry: Weight = 0.0
    sad: Weight = 0.0
    afraid: Weight = 0.0
    disgusted: Weight = 0.0
    melancholic: Weight = 0.0
    surprised: Weight = 0.0
    calm: Weight = 0.0


class EmotionFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With which emotion to speak; unlike elsewhere, unknown fields are refused."""

    mode: Literal["auto", "audio", "vector", "text"] | None = None
    """What tells the emotion; unset means what is there of the next three, and ``auto`` if nothing is."""
    audio: Annotated[str, Meta(min_length=1)] | None = None
    """A recording with the emotion, in base64 or as a data URL; or the id or name of a custom voice."""
    vector: EmotionVector | Annotated[list[Weight], Meta(min_length=8, max_length=8)] | None = None
    """Weights by name, or all eight in the order of `EmotionVector`."""
    text: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """The emotion in words; with mode ``text`` and without it, the words of ``input`` tell."""
    alpha: Weight | None = None
    """How much of the emotion; unset means 0.65 with modes ``audio`` and ``text``, and 1 with ``vector``."""
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
    """How to speak, for models that can follow it."""
    emotion: EmotionFields | None = None
    """With which emotion to speak, for models that can be told."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    """Unset means the server's default, or mp3 where the model is one of OpenAI's names."""
    sample_rate: Annotated[int, Meta(ge=MIN_RATE, le=MAX_RATE)] | None = None
    """Of the audio, in hertz; unset means 24000. mp3, aac and opus have a few rates only."""
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] | None = None
    """1 is the voice's own pace."""
    language: LanguageName | None = None
    """Language of the text, as a code or an English name; unset leaves it to the model."""
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    """The same request with the same seed sounds the same, for models that can promise it."""
    silence_interval_ms: Annotated[int, Meta(ge=0, le=MAX_SILENCE_INTERVAL_MS)] | None = None
    """Pause between sentences, or between the parts that the engine cuts the text into, in milliseconds;
    unset leaves it to the voice."""
    text_normalization: Literal["auto", "markdown", "none"] | None = None
    """What is taken for markup in the text; unset means the server's setting."""
    stream: bool | None = None
    """``false`` waits for the whole speech, whose headers then tell its length, as Content-Length does; unset
    waits only where that takes no time, and ``true`` never."""
    stream_format: Literal["audio", "sse"] | None = None
    """``audio``, the default, is the file itself; ``sse`` wraps it in events."""


class DurationUsage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="duration"):
    """What a request used, in audio."""

    seconds: int


class TokenDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Where input tokens came from."""

    text_tokens: int
    audio_tokens: int


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tokens"):
    """What a request used, estimated in OpenAI's units for clients that read them."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_token_details: TokenDetails | UnsetType = UNSET


class LanguageCode(msgspec.Struct, frozen=True, kw_only=True):
    """A language that was heard."""

    code: str


class GroqRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What Groq's clients read of a request."""

    id: str
    """The request's id, as in ``x-request-id``."""


class TranscriptionJson(msgspec.Struct, frozen=True, kw_only=True):
    """Answer for ``json``."""

    text: str
    languages: list[LanguageCode] | UnsetType = UNSET
    usage: DurationUsage
    warnings: list[str] | UnsetType = UNSET
    """What is wrong with the recording; left out if nothing is."""
    x_groq: GroqRequest | UnsetType = UNSET
    """On ``/openai/v1/…`` only, where Groq's clients ask."""


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
    """What is wrong with the recording; left out if nothing is."""


class TextDelta(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcript.text.delta"):
    """A piece of the transcript, final as it is."""

    delta: str


class TextDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcript.text.done"):
    """The whole transcript, at the end."""

    text: str
    languages: list[LanguageCode] | UnsetType = UNSET
    usage: TokenUsage
    warnings: list[str] | UnsetType = UNSET
    """What is wrong with the recording; left out if nothing is."""


class SpeechDelta(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="speech.audio.delta"):
    """Some bytes of the audio file."""

    audio: bytes
    """Base64 on the wire."""
    text: str | UnsetType = UNSET
    """On the first event: what is said, line by line: without markup, and in words where the engine
    does not read numbers and signs itself."""


class PlainTokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a speech request used, estimated in OpenAI's units."""

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
    """Lower-case English name; of several languages, the one in which most is said."""
    languages: list[LanguageCode] | UnsetType = UNSET
    """All that are spoken, that one first; left out if there are not several."""
    duration: float
    text: str
    segments: list[TranscriptionSegment] | UnsetType = UNSET
    words: list[TranscriptionWord] | UnsetType = UNSET
    usage: DurationUsage
    warnings: list[str] | UnsetType = UNSET
    """What is wrong with the recording; left out if nothing is."""
    x_groq: GroqRequest | UnsetType = UNSET
    """On ``/openai/v1/…`` only, where Groq's clients ask."""

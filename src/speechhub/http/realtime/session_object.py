"""The session object of the Realtime API: what a session is set to, as clients read it.

Source: openai-python 3.57.0, types/realtime: realtime_session_create_response.py,
realtime_transcription_session_create_response.py.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from speechhub.codecs.encode import MAX_RATE, MIN_RATE, OUTPUT_RATE
from speechhub.http.schemas.audio import LanguageName, Prompt, VoiceRef
from speechhub.http.schemas.models import Name
from speechhub.services.speech_job import MAX_SPEED, MIN_SPEED

G711_RATE: Final = 8_000
"""Sample rate of G.711, in hertz."""

VoiceName = Name | VoiceRef
Speed = Annotated[float, Meta(ge=MIN_SPEED, le=MAX_SPEED)]
Includable = Literal["item.input_audio_transcription.logprobs"]


class Pcm(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="audio/pcm"):
    """PCM16, mono."""

    rate: Annotated[int, Meta(ge=MIN_RATE, le=MAX_RATE)] = OUTPUT_RATE
    """In hertz; OpenAI has 24000 alone."""


class MuLaw(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="audio/pcmu"):
    """G.711 by the µ-law, at 8 kHz."""

    @property
    def rate(self) -> int:
        """Its sample rate, in hertz."""
        return G711_RATE


class ALaw(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="audio/pcma"):
    """G.711 by the A-law, at 8 kHz."""

    @property
    def rate(self) -> int:
        """Its sample rate, in hertz."""
        return G711_RATE


AudioFormat = Pcm | MuLaw | ALaw


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True):
    """Stored and repeated; speechhub reduces no noise."""

    type: Literal["near_field", "far_field"] | None = None


class Transcription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to transcribe."""

    model: Name | None = None
    language: LanguageName | None = None
    languages: Annotated[tuple[LanguageName, ...], Meta(max_length=100)] | None = None
    prompt: Prompt | None = None
    keywords: Annotated[tuple[Name, ...], Meta(max_length=1000)] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """Stored and repeated, and otherwise ignored."""


class ServerVadTurns(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """Turns end after a silence."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=5_000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=50, le=10_000)] = 500
    create_response: bool = True
    """Stored and repeated, and otherwise ignored: speechhub has no language model that could answer."""
    interrupt_response: bool = True
    """Whether somebody who begins to speak ends the speech of the server."""
    idle_timeout_ms: Annotated[int, Meta(ge=0)] | None = None
    """Stored and repeated, and otherwise ignored."""


class SemanticVadTurns(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="semantic_vad"):
    """The same detector with another silence: speechhub does not judge what the words mean."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True

    @property
    def silence_ms(self) -> int:
        """The silence that ends a turn."""
        return {"high": 400, "low": 1_500}.get(self.eagerness, 800)


TurnDetection = ServerVadTurns | SemanticVadTurns
NEW_TURNS: Final = ServerVadTurns(silence_duration_ms=200)
"""Turn detection of a new session. Source: OpenAI's ``session.created``."""


class AudioInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a session hears."""

    format: AudioFormat = Pcm()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = NEW_TURNS


class AudioOutput(msgspec.Struct, frozen=True, kw_only=True):
    """How a session speaks."""

    format: AudioFormat = Pcm()
    voice: VoiceName | None = None
    speed: Speed = 1.0


class TranscriptionAudio(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of a transcription session."""

    input: AudioInput = AudioInput()


class RealtimeAudio(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of a realtime session."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class TranscriptionSession(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcription"):
    """A session that transcribes."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    expires_at: int
    audio: TranscriptionAudio = TranscriptionAudio()
    include: tuple[Includable, ...] | None = None


class SpeechSession(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="realtime"):
    """A session that speaks what it is given, and may transcribe what it hears."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    expires_at: int
    model: Name
    """A model that speaks."""
    output_modalities: Annotated[tuple[Literal["text", "audio"], ...], Meta(max_length=2)] = ("audio",)
    instructions: Prompt = ""
    """The style of speech, for models that take one; never spoken."""
    audio: RealtimeAudio = RealtimeAudio()
    include: tuple[Includable, ...] | None = None
    tools: tuple[Any, ...] = ()
    tool_choice: Literal["auto"] = "auto"
    max_output_tokens: Literal["inf"] = "inf"
    tracing: None = None
    truncation: Literal["auto"] = "auto"


SessionObject = TranscriptionSession | SpeechSession


def transcribes(session: SessionObject) -> bool:
    """Return whether a client wants texts: a realtime session may hear only that somebody speaks."""
    return isinstance(session, TranscriptionSession) or session.audio.input.transcription is not None

"""The shapes of ElevenLabs' API: what its clients send, and what they read.

Source: ElevenLabs' API reference and its Python SDK 2.78; field by field in docs/elevenlabs.md.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from speechhub.engine import MAX_SEED
from speechhub.http.schemas.models import Name

OnOff = Literal["auto", "on", "off"]


class ElevenLabsVoiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a voice speaks; what only ElevenLabs' models know is ignored."""

    speed: float | None = None
    """How many times as fast as usual; 0.25 to 4."""


class ElevenLabsSpeech(msgspec.Struct, frozen=True, kw_only=True):
    """A text to speak; unknown fields are ignored."""

    text: str
    model_id: Name | None = None
    """A model or alias; one of ElevenLabs' (``eleven_…``) means the default model, and so does none."""
    language_code: Annotated[str, Meta(max_length=64)] | None = None
    """ISO 639-1 code of the text."""
    voice_settings: ElevenLabsVoiceSettings | None = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    apply_text_normalization: OnOff | None = None
    """``off`` speaks the text as it is, with its markup."""


class ElevenLabsVoice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice of the default model, or a custom one."""

    voice_id: str
    name: str
    category: Literal["premade", "cloned"]
    """``cloned`` for a custom voice."""
    labels: dict[str, str] = {}
    description: str | None = None
    preview_url: str | None = None
    available_for_tiers: tuple[str, ...] = ()
    high_quality_base_model_ids: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()


class ElevenLabsVoices(msgspec.Struct, frozen=True, kw_only=True):
    """All voices."""

    voices: list[ElevenLabsVoice]


class ElevenLabsVoicePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of voices."""

    voices: list[ElevenLabsVoice]
    has_more: bool
    total_count: int
    next_page_token: str | None


class ElevenLabsAlignment(msgspec.Struct, frozen=True, kw_only=True):
    """Times of characters, in seconds since the speech began; within a sentence they are proportional."""

    characters: list[str]
    character_start_times_seconds: list[float]
    character_end_times_seconds: list[float]


class ElevenLabsTimedAudio(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of speech with the times of what was said."""

    audio_base64: str
    alignment: ElevenLabsAlignment | None
    normalized_alignment: ElevenLabsAlignment | None
    """The same as `alignment`."""


class ElevenLabsProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    status: str
    """Stable identifier for programs."""
    message: str
    param: str | UnsetType = UNSET
    """Name of the field at fault."""


class ElevenLabsError(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an error."""

    detail: ElevenLabsProblem

"""The shapes of voices and consents, as OpenAI has them; field by field in docs/http-api.md."""

from typing import Literal

import msgspec


class VoiceItem(msgspec.Struct, frozen=True, kw_only=True):
    """One voice."""

    id: str
    name: str
    model: str
    """The model that has it."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty if it speaks all languages of the model."""


class CreatedVoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A custom voice, with OpenAI's fields only."""

    id: str
    object: Literal["audio.voice"] = "audio.voice"
    created_at: int
    name: str
    type: Literal["audio_sample"] = "audio_sample"
    """What it was made from; OpenAI's clients read it, although OpenAI's description lacks it."""


class VoiceObject(msgspec.Struct, frozen=True, kw_only=True):
    """A custom voice, with all of its fields."""

    id: str
    object: Literal["audio.voice"] = "audio.voice"
    created_at: int
    name: str
    type: Literal["audio_sample"] = "audio_sample"
    consent: str | None = None
    """The consent that it depends on; null where the operator is responsible for it."""
    duration_s: float
    """Length of the recording."""
    aliases: tuple[str, ...] = ()
    """Names that stand for it."""
    warnings: tuple[str, ...] = ()
    """What could be better about the recording, and what to do."""


class VoiceDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A custom voice that was deleted."""

    id: str
    object: Literal["audio.voice.deleted"] = "audio.voice.deleted"
    deleted: bool = True


class VoiceList(msgspec.Struct, frozen=True, kw_only=True):
    """The voices of one model, and the library of custom voices."""

    voices: list[VoiceItem]
    object: Literal["list"] = "list"
    data: list[VoiceObject]
    """All custom voices, the oldest first; a model that clones voices can speak in them."""


class SpeechVoice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice of a model, as clients of speaches read it."""

    id: str
    """The model's and the voice's id, with a slash between them."""
    object: Literal["voice"] = "voice"
    model_id: str
    voice_id: str
    created: int
    owned_by: str
    sample_rate: int
    """Default sample rate of its speech, in hertz."""
    model_path: str = ""
    """Always empty: the server does not reveal where its files are."""


class VoiceConsent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recording in which a speaker agrees."""

    id: str
    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    created_at: int
    name: str
    language: str
    """BCP 47 tag of the language that is spoken."""


class VoiceConsentList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of consents."""

    object: Literal["list"] = "list"
    data: list[VoiceConsent]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VoiceConsentDeleted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A consent that was deleted."""

    id: str
    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    deleted: bool = True


class RenameVoiceConsent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent's new label."""

    name: str

"""Events that clients send, and their decoding.

Source: the modules ``asr``, ``audio``, ``info``, ``ping`` and ``tts`` of the package ``wyoming`` 1.10.2.
Fields that the server does not use are ignored, whatever their type.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from speechhub.wyoming.wire import RawEvent, decoded

Name = Annotated[str, Meta(max_length=1024)]


class ReceivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Any event; fields that its class does not have are ignored."""


class Describe(ReceivedEvent, frozen=True, kw_only=True):
    """A question about what the server offers."""


class Ping(ReceivedEvent, frozen=True, kw_only=True):
    """A question whether the server is there."""

    text: str | None = None
    """The answer repeats it."""


class SelectProgram(ReceivedEvent, frozen=True, kw_only=True):
    """The choice of one of several programs of a kind; the server has one of each."""

    name: Name | None = None


class Transcribe(ReceivedEvent, frozen=True, kw_only=True):
    """The way in which the utterances that follow are transcribed."""

    name: Name | None = None
    """A model; None leaves it to the server."""
    language: Name | None = None
    transcript_names: list[str] | None = None
    """Names that are likely to be said."""
    transcript_terms: list[str] | None = None
    """Other words that are likely to be said; names go first."""


class AudioStart(ReceivedEvent, frozen=True, kw_only=True):
    """The beginning of an utterance; each chunk says its own format."""


class AudioChunk(ReceivedEvent, frozen=True, kw_only=True):
    """Audio of an utterance: little-endian PCM, channels interleaved; samples of 1 byte are unsigned."""

    rate: Annotated[int, Meta(ge=1, le=1_000_000)]
    """Sample rate, in hertz."""
    width: Annotated[int, Meta(ge=1, le=8)]
    """Bytes of a sample."""
    channels: Annotated[int, Meta(ge=1, le=64)]
    payload: bytes = b""


class AudioStop(ReceivedEvent, frozen=True, kw_only=True):
    """The end of an utterance."""


class VoiceWish(msgspec.Struct, frozen=True, kw_only=True):
    """The voice that a client asks for."""

    name: Name | None = None
    language: Name | None = None
    speaker: Name | None = None


class Synthesize(ReceivedEvent, frozen=True, kw_only=True):
    """A whole text to speak."""

    text: str
    voice: VoiceWish | None = None
    text_format: Name | None = None
    """``text`` or ``ssml``."""


class SynthesizeStart(ReceivedEvent, frozen=True, kw_only=True):
    """The beginning of a text to speak that comes in pieces."""

    voice: VoiceWish | None = None
    text_format: Name | None = None
    """``text`` or ``ssml``."""


class SynthesizeChunk(ReceivedEvent, frozen=True, kw_only=True):
    """A piece of the text, of any length."""

    text: str


class SynthesizeStop(ReceivedEvent, frozen=True, kw_only=True):
    """The end of the text."""


_KINDS: Final[dict[str, type[ReceivedEvent]]] = {
    "describe": Describe,
    "ping": Ping,
    "select-program": SelectProgram,
    "transcribe": Transcribe,
    "audio-start": AudioStart,
    "audio-chunk": AudioChunk,
    "audio-stop": AudioStop,
    "synthesize": Synthesize,
    "synthesize-start": SynthesizeStart,
    "synthesize-chunk": SynthesizeChunk,
    "synthesize-stop": SynthesizeStop,
}


def read_event(raw: RawEvent) -> ReceivedEvent | None:
    """Return what a client sent; None for a type of event that the server does not take.

    Raises:
        UnreadableEventError: Its fields are not those of its type.
    """
    kind = _KINDS.get(raw.type)
    if kind is None:
        return None
    event = decoded(b"{}" if raw.data == b"null" else raw.data, kind)
    return msgspec.structs.replace(event, payload=raw.payload) if isinstance(event, AudioChunk) else event

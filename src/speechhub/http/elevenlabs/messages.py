"""Messages of ElevenLabs' WebSockets: what clients say, and what they are told.

Source: ElevenLabs' API reference for stream-input and multi-stream-input, and the clients that
docs/elevenlabs.md names.
"""

import base64
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from speechhub.http.elevenlabs.alignment import aligned
from speechhub.http.json_text import decode_json
from speechhub.http.refusal import refusal
from speechhub.http.schemas.elevenlabs import ElevenLabsVoiceSettings
from speechhub.services.streamed_speech import SpokenSentence

MS_PER_S: Final = 1000
MESSAGE: Final = "The message"


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says; unknown fields are ignored, and null is the same as nothing."""

    text: str | None = None
    context_id: str | None = None
    voice_settings: ElevenLabsVoiceSettings | None = None
    xi_api_key: str | None = None
    authorization: str | None = None
    flush: bool | None = None
    close_context: bool | None = None
    close_socket: bool | None = None


class AlignmentMs(msgspec.Struct, frozen=True, kw_only=True):
    """Times of characters, in milliseconds since the last message that had such times."""

    chars: list[str]
    start_times: list[int] = msgspec.field(name="charStartTimesMs")
    durations: list[int] = msgspec.field(name="charDurationsMs")


class AudioMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the server says while it speaks, and at the end of a text."""

    audio: str | None
    is_final: bool | None = None
    context_id: str | UnsetType = UNSET
    alignment: AlignmentMs | None = None
    normalized_alignment: AlignmentMs | None = None


class ErrorMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in one context or with the whole connection."""

    message: str
    error: str
    """The same, where LiveKit's client reads it."""
    status: str
    """Stable identifier for programs."""
    code: int
    context_id: str | UnsetType = msgspec.field(name="contextId", default=UNSET)


def read_message(data: str | bytes) -> ClientMessage:
    """Return what a client says.

    Raises:
        RequestError: It is no JSON, or has a field of another type.
    """
    try:
        said: ClientMessage = decode_json(data, ClientMessage, what=MESSAGE)
    except msgspec.ValidationError as error:
        raise refusal("", decode_json(data, what=MESSAGE), ClientMessage, strict=True) from error
    return said


def audio_message(
    audio: bytes, sentences: Sequence[SpokenSentence], since_s: float, context_id: str | UnsetType
) -> str:
    """Return the message with a piece of audio.

    Args:
        audio: May be empty.
        sentences: Those whose speech has ended since the last message; their times are told.
        since_s: What those times count from, in seconds since the speech began.
        context_id: Unset where a connection has no contexts.
    """
    times = None
    if sentences:
        found = aligned(sentences, since_s=since_s)
        starts = [round(start_s * MS_PER_S) for start_s in found.starts_s]
        ends = [round(end_s * MS_PER_S) for end_s in found.ends_s]
        durations = [end - start for start, end in zip(starts, ends, strict=True)]
        times = AlignmentMs(chars=found.characters, start_times=starts, durations=durations)
    return msgspec.json.encode(
        AudioMessage(
            audio=base64.b64encode(audio).decode(),
            context_id=context_id,
            alignment=times,
            normalized_alignment=times,
        )
    ).decode()


def final_message(context_id: str | UnsetType) -> str:
    """Return the message that ends a text."""
    return msgspec.json.encode(AudioMessage(audio=None, is_final=True, context_id=context_id)).decode()

"""Events that clients of a realtime session send, and their decoding.

Source: openai-python 3.57.0, types/realtime/realtime_client_event.py; ``transcription_session.update`` is
from types/beta/realtime.
"""

from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta

from speechhub.errors import InvalidValueError, MissingValueError, RequestError
from speechhub.errors.excerpt import quoted
from speechhub.http.json_text import decode_json
from speechhub.http.realtime.items import ItemId, WrittenItem
from speechhub.http.realtime.session_object import Speed, VoiceName
from speechhub.http.refusal import refusal

EventId = Annotated[str, Meta(max_length=512)]
MAX_AUDIO_BYTES: Final = 15 * 1024 * 1024
"""Most audio in one append. Source: OpenAI's reference of ``input_audio_buffer.append``."""

MAX_EVENT_CHARS: Final = 1024 * 1024
"""Longest event without audio: several times what the largest session takes, or a text to speak."""


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Any event; fields that it does not have are ignored."""

    event_id: EventId | None = None
    """What an error about the event repeats."""


class SessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    """Changes to the session; merged by presence."""

    session: dict[str, Any]


class TranscriptionSessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="transcription_session.update"):
    """The same in the words of the beta, flat, for transcription sessions."""

    session: dict[str, Any]


class Append(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Audio in the session's input format, of any length."""

    audio: bytes


class Commit(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """The end of an utterance."""


class Clear(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """What is not committed shall be forgotten."""


class ItemCreate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.create"):
    """A message for the conversation."""

    item: WrittenItem
    previous_item_id: ItemId | None = None
    """What it follows; ``root`` puts it first, and None last."""


class ItemDelete(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """The end of a message."""

    item_id: ItemId


class ItemRetrieve(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """A question for a message."""

    item_id: ItemId


class ItemTruncate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """How much of the server's speech was heard; clients send it after they interrupted it."""

    item_id: ItemId
    content_index: Annotated[int, Meta(ge=0)]
    audio_end_ms: Annotated[int, Meta(ge=0)]


class ResponseOutput(msgspec.Struct, frozen=True, kw_only=True):
    """How one response sounds, where it differs from the session."""

    format: Any = None
    voice: VoiceName | None = None
    speed: Speed | None = None


class ResponseAudio(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of one response."""

    output: ResponseOutput | None = None


class ResponseWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a response shall be."""

    input: Annotated[list[WrittenItem], Meta(max_length=100)] | None = None
    """The texts to speak; None means the last of the conversation."""
    instructions: Annotated[str, Meta(max_length=64 * 1024)] | None = None
    """The style of speech; never spoken."""
    conversation: Annotated[str, Meta(max_length=64)] | None = None
    """``none`` keeps the response out of the conversation."""
    metadata: dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]] | None = None
    output_modalities: list[Annotated[str, Meta(max_length=16)]] | None = None
    audio: ResponseAudio | None = None


class ResponseCreate(ClientEvent, frozen=True, kw_only=True, tag="response.create"):
    """Something to be spoken."""

    response: ResponseWish | None = None


class ResponseCancel(ClientEvent, frozen=True, kw_only=True, tag="response.cancel"):
    """The end of the response that is being spoken."""

    response_id: Annotated[str, Meta(max_length=64)] | None = None


AnyEvent = (
    SessionUpdate
    | Append
    | Commit
    | Clear
    | ItemCreate
    | ItemDelete
    | ItemRetrieve
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | TranscriptionSessionUpdate
)
BY_TYPE: Final[dict[str, type[ClientEvent]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)
}
"""Type of an event → its struct."""


class EventError(Exception):
    """An event that cannot be read; holds what is wrong, and the event's id."""

    def __init__(self, error: RequestError, event_id: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.event_id = event_id


def read_event(message: str | bytes) -> AnyEvent:
    """Return the event that a message holds.

    Raises:
        EventError: It is not JSON, no event, or an event with wrong fields.
    """
    try:
        event: AnyEvent = decode_json(message, AnyEvent, what="The event")
    except msgspec.ValidationError as error:
        value = decode_json(message, what="The event")
        raise EventError(_fault(value), event_id_of(value)) from error
    except RequestError as error:
        raise EventError(error, None) from error
    if isinstance(event, Append) and len(event.audio) > MAX_AUDIO_BYTES:
        raise EventError(
            InvalidValueError(
                f"The audio of one append may have {MAX_AUDIO_BYTES} bytes, not {len(event.audio)}: "
                "send it in several.",
                param="audio",
            ),
            event.event_id,
        )
    if not isinstance(event, Append) and len(message) > MAX_EVENT_CHARS:
        raise EventError(
            InvalidValueError(
                f"An event without audio may have {MAX_EVENT_CHARS} characters, not {len(message)}."
            ),
            event.event_id,
        )
    return event


def event_id_of(value: object) -> str | None:
    """Return the id of a decoded event that is otherwise wrong; None if it has none that can be repeated."""
    found = value.get("event_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and len(found) <= 512 else None  # noqa: PLR2004


def _fault(value: object) -> RequestError:
    """Return what is wrong with *value*, which is JSON and no event."""
    if not isinstance(value, dict):
        return InvalidValueError("An event is a JSON object with a 'type'.", param="type")
    if "type" not in value:
        return MissingValueError("type")
    name = value["type"]
    kind = BY_TYPE.get(name) if isinstance(name, str) else None
    if kind is None:
        shown = quoted(name) if isinstance(name, str) else "that is not text"
        known = ", ".join(map(repr, BY_TYPE))
        return InvalidValueError(f"Invalid value: {shown}. Supported values are: {known}.", param="type")
    fault = refusal("", value, kind, strict=True)
    if kind is Append and fault.param == "audio" and value.get("audio") is not None:
        return InvalidValueError(
            "The audio is not valid base64: use the alphabet with + and /, padding and no line breaks.",
            param="audio",
        )
    return fault

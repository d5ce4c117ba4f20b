"""Events that the server sends in a realtime session.

Source: openai-python 3.57.0, types/realtime/realtime_server_event.py, which every event in the tests is
validated against; ``transcription_session.updated`` is from types/beta/realtime.
"""

from functools import partial
from typing import Any, Literal

import msgspec

from speechhub.http.errors import ErrorObject
from speechhub.http.realtime.items import ConversationItem, new_id


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Any event."""

    event_id: str = msgspec.field(default_factory=partial(new_id, "event"))


class RealtimeError(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    type: str
    code: str | None = None
    message: str
    param: str | None = None
    event_id: str | None = None
    """Id of the client's event that it is about, if that had one."""


class ErrorEvent(ServerEvent, frozen=True, kw_only=True, tag="error"):
    """A fault of the client's event, or the reason for the end of the session."""

    error: RealtimeError


class SessionCreated(ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """The session, before anything was changed."""

    session: Any


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The whole session, after an update."""

    session: Any


class TranscriptionSessionUpdated(
    ServerEvent, frozen=True, kw_only=True, tag="transcription_session.updated"
):
    """The same in the words of the beta."""

    session: Any


# ── Audio in ─────────────────────────────────────────────────────────────────


class BufferSpeechStarted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """Somebody begins to speak."""

    audio_start_ms: int
    item_id: str


class BufferSpeechStopped(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """The speaker fell silent."""

    audio_end_ms: int
    item_id: str


class BufferCommitted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """An utterance is complete."""

    item_id: str
    previous_item_id: str | None = None


class BufferCleared(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """What was not committed is forgotten."""


class TranscriptionDelta(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    """Further text of an utterance."""

    item_id: str
    content_index: int = 0
    delta: str


class AudioUsage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="duration"):
    """How much audio was transcribed."""

    seconds: float


class SpokenLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A language that was spoken."""

    code: str


class TranscriptionCompleted(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """The text of an utterance; it may correct the deltas."""

    item_id: str
    content_index: int = 0
    transcript: str
    usage: AudioUsage
    languages: tuple[SpokenLanguage, ...] = ()


class TranscriptionFailed(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    """The reason why an utterance has no text."""

    item_id: str
    content_index: int = 0
    error: ErrorObject


# ── Items ────────────────────────────────────────────────────────────────────


class ItemAdded(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.added"):
    """A message begins."""

    previous_item_id: str | None = None
    item: ConversationItem


class ItemDone(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    """A message is complete."""

    previous_item_id: str | None = None
    item: ConversationItem


class ItemDeleted(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """A message is gone."""

    item_id: str


class ItemRetrieved(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    """A message that the client asked for."""

    item: ConversationItem


class ItemTruncated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    """The client's word on how much was heard was taken."""

    item_id: str
    content_index: int
    audio_end_ms: int


# ── Speech out ───────────────────────────────────────────────────────────────


class InputTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens read."""

    text_tokens: int
    audio_tokens: int = 0
    cached_tokens: int = 0


class OutputTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens written."""

    text_tokens: int = 0
    audio_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate: engines do not count in tokens."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokens
    output_token_details: OutputTokens


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a response is not complete."""

    type: Literal["cancelled", "failed"]
    reason: Literal["turn_detected", "client_cancelled"] | None = None
    error: ErrorObject | None = None


class OutputSound(msgspec.Struct, frozen=True, kw_only=True):
    """How a response sounds."""

    format: Any
    voice: str | None


class ResponseSound(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of a response."""

    output: OutputSound


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is spoken."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    status_details: StatusDetails | None = None
    output: tuple[ConversationItem, ...] = ()
    conversation_id: str | None
    output_modalities: tuple[Literal["audio"], ...] = ("audio",)
    max_output_tokens: Literal["inf"] = "inf"
    audio: ResponseSound
    usage: ResponseUsage | None = None
    metadata: dict[str, str] | None = None


class ResponseCreated(ServerEvent, frozen=True, kw_only=True, tag="response.created"):
    """A response begins."""

    response: Response


class ResponseDone(ServerEvent, frozen=True, kw_only=True, tag="response.done"):
    """A response is over, however it ended; always the last of its events."""

    response: Response


class ResponseEvent(ServerEvent, frozen=True, kw_only=True):
    """Any other event of a response."""

    response_id: str
    output_index: int = 0


class OutputItemAdded(ResponseEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    """The response's message begins."""

    item: ConversationItem


class OutputItemDone(ResponseEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    """The response's message is complete."""

    item: ConversationItem


class ContentEvent(ResponseEvent, frozen=True, kw_only=True):
    """Any event about the message's speech."""

    item_id: str
    content_index: int = 0


class AudioContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="audio"):
    """The message's speech."""

    transcript: str


class ContentPartAdded(ContentEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    """Speech begins."""

    part: AudioContent


class ContentPartDone(ContentEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    """Speech ends."""

    part: AudioContent


class OutputTranscriptDelta(
    ContentEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """Text that is about to be spoken."""

    delta: str


class OutputTranscriptDone(
    ContentEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """All of the text."""

    transcript: str


class OutputAudioDelta(ContentEvent, frozen=True, kw_only=True, tag="response.output_audio.delta"):
    """A piece of speech in the session's output format, in base64."""

    delta: bytes


class OutputAudioDone(ContentEvent, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """The end of the speech."""

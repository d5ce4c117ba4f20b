"""The shapes of client secrets for the Realtime API.

Source: openai-python 3.57.0, types/realtime/client_secret_create_params.py and
client_secret_create_response.py, and for the beta types/beta/realtime/transcription_session.py.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from speechhub.http.client_secrets import DEFAULT_S, LONGEST_S, SHORTEST_S


class ExpiresAfter(msgspec.Struct, frozen=True, kw_only=True):
    """When a client secret expires."""

    anchor: Literal["created_at"] = "created_at"
    """What ``seconds`` are counted from."""
    seconds: Annotated[int, Meta(ge=SHORTEST_S, le=LONGEST_S)] = DEFAULT_S


class CreateClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a client secret; unknown fields are ignored."""

    expires_after: ExpiresAfter | None = None
    """When it expires; unset means after ten minutes."""
    session: dict[str, Any] | None = None
    """What the socket's session starts with, as in ``session.update``; unset means a realtime session."""


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A client secret: a key that opens WebSockets, for a while."""

    value: str
    """The key; it begins with ``ek_``."""
    expires_at: int
    """In seconds since 1970."""
    session: Any
    """The session object that the socket starts with."""


class TranscriptionSessionFields(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a transcription session in the words of the beta; unknown fields are ignored."""

    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    """Of the audio that will be appended; unset means ``pcm16``."""
    input_audio_transcription: dict[str, Any] | None = None
    """``model``, ``language`` and ``prompt``."""
    input_audio_noise_reduction: dict[str, Any] | None = None
    """Stored, and otherwise ignored."""
    turn_detection: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    """How turns are found; null leaves that to the client."""
    include: list[str] | None = None
    """Stored, and otherwise ignored."""


class BetaClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A client secret within a session of the beta."""

    value: str
    """The key; it begins with ``ek_``."""
    expires_at: int
    """In seconds since 1970."""


class TranscriptionSessionObject(msgspec.Struct, frozen=True, kw_only=True):
    """A transcription session in the words of the beta, with the key that opens its socket."""

    id: str
    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    expires_at: int
    """When the session will end at the latest, in seconds since 1970."""
    modalities: tuple[str, ...]
    input_audio_format: str
    input_audio_transcription: Any
    input_audio_noise_reduction: Any
    turn_detection: Any
    include: Any
    client_secret: BetaClientSecret

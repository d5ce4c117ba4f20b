"""The client's end of a realtime session: sends events, and errors as events."""

from typing import Final

import msgspec
from litestar.types import Scope

from speechhub.errors import AuthenticationError, InvalidApiKeyError, SpeechhubError
from speechhub.http.errors import ErrorObject, error_object
from speechhub.http.realtime.server_events import ErrorEvent, OutputAudioDelta, RealtimeError, ServerEvent
from speechhub.http.sockets.farewells import FarewellReason
from speechhub.http.sockets.socket import Socket

AUDIO: Final = "audio"
"""Tag of messages with sound, which are taken back when a response ends early."""
BAD_KEY_CODE: Final = 3000
BAD_KEY_REASON: Final = "invalid_request_error.invalid_api_key"
"""How OpenAI closes the connection of a client without a right key."""


class Wire:
    """Sends events over one socket, in the order of the calls."""

    def __init__(self, socket: Socket, scope: Scope) -> None:
        """Send over *socket*, to the client whose request has *scope*: it tells what it may see of errors."""
        self._socket = socket
        self._scope = scope

    async def send(self, event: ServerEvent) -> None:
        """Queue an event; wait while too much is queued."""
        tag = AUDIO if isinstance(event, OutputAudioDelta) else None
        await self._socket.send(msgspec.json.encode(event).decode(), tag=tag)

    def forget_audio(self) -> None:
        """Take back the events with sound that are still queued."""
        self._socket.forget(AUDIO)

    def described(self, error: SpeechhubError) -> ErrorObject:
        """Return an error as this client sees it."""
        return error_object(error, self._scope)

    async def send_error(self, error: SpeechhubError, event_id: str | None = None) -> None:
        """Send the event ``error``.

        Args:
            error: What is wrong.
            event_id: Id of the client's event that it is about.
        """
        told = self.described(error)
        fault = RealtimeError(
            type=told.type, code=told.code, message=told.message, param=told.param, event_id=event_id
        )
        await self.send(ErrorEvent(error=fault))

    async def refuse(self, *, shown: bool) -> None:
        """Say that there is no right key, as OpenAI does, and close.

        Args:
            shown: Whether the client has sent any.
        """
        error = InvalidApiKeyError() if shown else AuthenticationError()
        fault = RealtimeError(
            type="invalid_request_error", code=InvalidApiKeyError.code, message=error.message
        )
        await self.send(ErrorEvent(error=fault))
        await self.close(BAD_KEY_CODE, BAD_KEY_REASON)

    async def part(self, reason: FarewellReason) -> None:
        """Send the error that says why the session ends."""
        error = RealtimeError(type=reason.type, code=reason.code, message=reason.message)
        await self.send(ErrorEvent(error=error))

    async def close(self, code: int, reason: str) -> None:
        """Send what is queued, and close the connection."""
        await self._socket.close(code, reason)

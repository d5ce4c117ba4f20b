"""Conversations over ElevenLabs' WebSockets: texts come in parts, and audio leaves meanwhile."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from speechhub.errors import (
    AuthenticationError,
    InvalidApiKeyError,
    InvalidValueError,
    SpeechhubError,
)
from speechhub.http.context import RequestContext
from speechhub.http.elevenlabs.errors import problem
from speechhub.http.elevenlabs.formats import OutputFormat, output_format
from speechhub.http.elevenlabs.jobs import from_query, speech_job
from speechhub.http.elevenlabs.messages import (
    ClientMessage,
    ErrorMessage,
    audio_message,
    final_message,
    read_message,
)
from speechhub.http.errors import ErrorObject, error_object, internal_error
from speechhub.http.schemas.elevenlabs import ElevenLabsVoiceSettings
from speechhub.http.sockets.farewells import FarewellReason
from speechhub.http.sockets.socket import SHORT_MESSAGE, Socket
from speechhub.hub import Hub
from speechhub.services.streamed_speech import StreamedSpeech

log = structlog.get_logger()

REFUSED: Final = 1008
"""Close code of a connection that is refused, "policy violation". Source: ElevenLabs' own."""
MOST_CONTEXTS: Final = 16
"""Texts of one connection that may be spoken at a time; ElevenLabs allows 5."""
MAX_ID_CHARS: Final = 256


class TextConversation:
    """The texts and the audio of one client; see `speechhub.http.sockets.session.SocketConversation`."""

    def __init__(
        self,
        socket: Socket,
        context: RequestContext,
        hub: Hub,
        voice_id: str,
        query: Mapping[str, str],
        *,
        many: bool,
    ) -> None:
        """Begin without a text.

        Args:
            socket: Where it takes place.
            context: Of the request that opened it.
            hub: Speaks.
            voice_id: From the path.
            query: That of the address.
            many: Whether each text is in a context, and there may be several.
        """
        self._socket = socket
        self._context = context
        self._hub = hub
        self._voice_id = voice_id
        self._query = query
        self._many = many
        self._texts: dict[str, _Text] = {}
        self._speaking: set[asyncio.Task[None]] = set()
        self._is_over = False

    async def serve(self) -> None:
        """Take messages until the client has said all and heard all."""
        try:
            while not self._is_over and (data := await self._socket.receive()) is not None:
                await self._take(data)
            await self.finish()
        finally:
            for task in self._speaking:
                task.cancel()
            await asyncio.gather(*self._speaking, return_exceptions=True)

    async def finish(self) -> None:
        """Have every text end here, and return when all is said."""
        for text in self._texts.values():
            text.speech.end()
        if self._speaking:
            await asyncio.wait(self._speaking)

    async def farewell(self, reason: FarewellReason) -> None:
        """Tell why the server ends the connection."""
        error = ErrorObject(message=reason.message, type=reason.type, code=reason.code)
        await self._tell(error, None, code=reason.close_code)

    async def _take(self, data: str | bytes) -> None:
        try:
            if len(data) > SHORT_MESSAGE:  # others would wait for it
                said = await self._hub.pools.decoding.run(read_message, data)
            else:
                said = read_message(data)
        except SpeechhubError as error:
            await self._fail(error, None)
            return
        try:
            self._check_key(said)
        except AuthenticationError as error:
            await self._fail(error, None, ends=True)
            return
        try:
            await self._obey(said)
        except SpeechhubError as error:
            await self._fail(error, said.context_id)

    def _check_key(self, said: ClientMessage) -> None:
        """Let in a client that shows its key in the query, or in its first message."""
        if self._context.trusted:
            return
        key = said.xi_api_key or said.authorization
        for shown in (key, self._query.get("xi_api_key"), self._query.get("authorization")):
            if shown and self._context.admit(shown.removeprefix("Bearer ").encode()):
                return
        raise InvalidApiKeyError if key or self._context.shown else AuthenticationError

    async def _obey(self, said: ClientMessage) -> None:
        if said.close_socket:
            self._is_over = True
            return
        name = (said.context_id or "") if self._many else ""
        if len(name) > MAX_ID_CHARS:
            raise InvalidValueError(
                f"context_id has more than {MAX_ID_CHARS} characters.", param="context_id"
            )
        text = self._texts.get(name)
        if text is None and said.text:
            text = await self._begin(name, said.voice_settings)
        if text is None:  # what keeps a connection, or ends a text that has ended
            if not self._many and said.text == "":
                self._is_over = True
                await self._socket.send(final_message(UNSET))
            return
        if said.text and text.has_ended and not said.text.isspace():
            raise InvalidValueError(
                "The context was closed, and is still being spoken: send further text in another context.",
                param="context_id",
            )
        if said.text:
            await text.speech.write(said.text)
        if said.flush:
            text.speech.flush()
        if said.close_context or (said.text == "" and not self._many):
            text.speech.end()
            text.has_ended = True
            self._is_over = not self._many

    async def _begin(self, name: str, voice_settings: ElevenLabsVoiceSettings | None) -> "_Text":
        if len(self._texts) >= MOST_CONTEXTS:
            raise InvalidValueError(
                f"More than {MOST_CONTEXTS} contexts are open: close some.", param="context_id"
            )
        self._context.take()
        out = output_format(self._query.get("output_format"))
        wanted = from_query(self._query, voice_settings)
        job = speech_job(self._voice_id, wanted, out, self._hub.settings)
        self._context.log["model"] = job.model
        speech = await self._hub.streamed_speech.open(job)
        text = self._texts[name] = _Text(speech, out)
        task = asyncio.create_task(self._speak(name, text))
        self._speaking.add(task)
        task.add_done_callback(self._speaking.discard)
        return text

    async def _speak(self, name: str, text: "_Text") -> None:
        """Send what is spoken of a text, and its end."""
        context_id = name if self._many and name else UNSET
        try:
            try:
                await self._send_audio(text, context_id)
            finally:  # before the client learns of the end, which may have the next text begin
                del self._texts[name]
            await self._socket.send(final_message(context_id))
        except SpeechhubError as error:
            await self._fail(error, name)
        except Exception as error:
            log.exception("speech failed", error=type(error).__name__)
            await self._tell(internal_error(), name)
        finally:
            await text.speech.aclose()

    async def _send_audio(self, text: "_Text", context_id: str | UnsetType) -> None:
        told, since_s = 0, 0.0
        async for audio in text.out.coded(text.speech):
            ended = text.speech.sentences[told:]
            await self._socket.send(audio_message(audio, ended, since_s, context_id))
            if self._socket.gone.is_set():
                return
            told += len(ended)
            since_s = ended[-1].end_s if ended else since_s
        if ended := text.speech.sentences[told:]:
            await self._socket.send(audio_message(b"", ended, since_s, context_id))

    async def _fail(self, error: SpeechhubError, name: str | None, *, ends: bool = False) -> None:
        """Tell of an error; where a connection has one text, its failure ends the connection."""
        self._context.error = type(error).__name__
        await self._tell(error_object(error), name)
        if ends or not self._many:
            self._is_over = True
            await self._socket.close(REFUSED, error_object(error).message)

    async def _tell(self, error: ErrorObject, name: str | None, *, code: int = REFUSED) -> None:
        found = problem(error)
        failed = ErrorMessage(
            message=found.message,
            error=found.message,
            status=found.status,
            code=code,
            context_id=name if self._many and name else UNSET,
        )
        await self._socket.send(msgspec.json.encode(failed).decode())


@dataclass(slots=True)
class _Text:
    """A text that is being spoken."""

    speech: StreamedSpeech
    out: OutputFormat
    has_ended: bool = False
    """Whether the client said that no more comes."""

"""One realtime session: takes a client's events to what hears and what speaks, and changes the session.

Tasks work beside the socket's own: one takes what the client sends, one sends what is heard, and one speaks.
"""

import asyncio
from dataclasses import replace
from typing import Any

from litestar.types import Scope

from speechhub.errors import RequestError, ShuttingDownError, SpeechhubError
from speechhub.http.context import RequestContext
from speechhub.http.realtime import client_events as client
from speechhub.http.realtime import server_events as events
from speechhub.http.realtime.client_events import EventError, read_event
from speechhub.http.realtime.faults import InvalidParameterError
from speechhub.http.realtime.input_buffer import InputAudioBuffer
from speechhub.http.realtime.item_list import ItemList, read_item
from speechhub.http.realtime.responses import Responses, check_speaking
from speechhub.http.realtime.session_object import SessionObject, SpeechSession, transcribes
from speechhub.http.realtime.update import SessionState, as_beta, from_beta, in_beta_words
from speechhub.http.realtime.wire import Wire
from speechhub.http.sockets.farewells import FarewellReason
from speechhub.http.sockets.socket import SHORT_MESSAGE, Socket
from speechhub.pools import Pool
from speechhub.services.catalog import Catalog
from speechhub.services.live import LiveService, LiveSettings
from speechhub.services.speech import SpeechService


class RealtimeSession:
    """One client's session, from ``session.created`` to the close; a `SocketConversation`."""

    def __init__(
        self,
        socket: Socket,
        context: RequestContext,
        state: SessionState,
        *,
        catalog: Catalog,
        live: LiveService,
        speech: SpeechService,
        scope: Scope,
        pool: Pool,
        query_model: str | None = None,
    ) -> None:
        """Begin a session; costs nothing until it serves.

        Args:
            socket: Accepted.
            context: Of the request that opened it.
            state: What the session starts with.
            catalog: Finds models by name.
            live: Transcribes.
            speech: Speaks.
            scope: The request's.
            pool: Whose threads read long messages.
            query_model: The model that the address names.
        """
        self._socket = socket
        self._context = context
        self._state = state
        self._catalog = catalog
        self._pool = pool
        self._query_model = query_model
        self._wire = Wire(socket, scope)
        self._items = ItemList()
        self._tasks = asyncio.TaskGroup()
        self._responses = Responses(catalog, speech, self._wire, self._items, self._tasks, take=self._take)
        self._buffer = InputAudioBuffer(
            live,
            self._wire,
            self._items,
            self._tasks,
            begins=self._with_model,
            take=self._take,
            on_speech=self._barge_in,
        )
        self._finishing = False

    @property
    def _session(self) -> SessionObject:
        return self._state.session

    # ── `SocketConversation` ─────────────────────────────────────────────────

    async def serve(self) -> None:
        """Talk to the client until it leaves."""
        if not self._context.trusted:
            await self._wire.refuse(shown=self._context.shown)
            return
        await self._wire.send(events.SessionCreated(session=self._session))
        self._buffer.begin(self._session.audio.input, transcribes=transcribes(self._session))
        try:
            async with self._tasks:
                while (message := await self._socket.receive()) is not None:
                    await self._answer(message)
                self._buffer.stop()
                await self._responses.stop("client_cancelled")
        finally:
            self._note()
            await self._buffer.aclose()

    async def finish(self) -> None:
        """Begin nothing new; return when what was committed is transcribed, and the response spoken."""
        self._finishing = True
        await self._buffer.drain()
        await self._responses.wait()

    async def farewell(self, reason: FarewellReason) -> None:
        """Send the error that says why the session ends; nothing if the server stops.

        LiveKit gives up at any error, and connects again after a close alone.
        """
        if reason is not FarewellReason.SERVER_STOPPING:
            await self._wire.part(reason)

    def _note(self) -> None:
        """Write what the session was into its line in the log."""
        session = self._session
        self._context.log |= {
            "session": session.id,
            "kind": "realtime" if isinstance(session, SpeechSession) else "transcription",
            "model": self._model_id(session),
            **self._buffer.summary(),
        }

    def _model_id(self, session: SessionObject) -> str | None:
        """Return the id of the session's model; if there is none, its name as the client wrote it."""
        speaks = isinstance(session, SpeechSession)
        name = session.model if isinstance(session, SpeechSession) else self._buffer.model
        try:
            return self._catalog.tts(name).id if speaks else self._catalog.stt(name).id
        except RequestError:
            return name

    def _take(self) -> None:
        self._context.take()

    # ── Events ───────────────────────────────────────────────────────────────

    async def _answer(self, message: str | bytes) -> None:
        """Do what a message asks for; an error is told, and the session goes on."""
        try:
            if len(message) > SHORT_MESSAGE:  # others would wait for it, and for those of all other clients
                event = await self._pool.run(read_event, message)
            else:
                event = read_event(message)
        except EventError as fault:
            await self._wire.send_error(fault.error, fault.event_id)
            return
        try:
            await self._do(event)
        except SpeechhubError as error:
            await self._wire.send_error(error, event.event_id)

    async def _do(self, event: client.AnyEvent) -> None:
        match event:
            case client.Append() | client.Commit() | client.Clear():
                await self._hear(event)
            case client.SessionUpdate():
                self._update(event.session)
                await self._wire.send(events.SessionUpdated(session=self._session))
            case client.TranscriptionSessionUpdate():
                await self._update_beta(event.session)
            case client.ResponseCreate():
                await self._create_response(event.response or client.ResponseWish())
            case client.ResponseCancel():
                await self._responses.cancel(event.response_id)
            case _:
                await self._do_with_items(event)

    async def _hear(self, event: client.Append | client.Commit | client.Clear) -> None:
        match event:
            case client.Clear():
                await self._buffer.clear()
            case client.Append() if self._finishing:
                pass  # what a microphone hears goes on coming; see `farewell`
            case client.Commit() if self._finishing:
                raise ShuttingDownError
            case client.Append():
                await self._buffer.append(event.audio)
            case client.Commit():
                await self._buffer.commit()

    async def _create_response(self, wish: client.ResponseWish) -> None:
        if not isinstance(self._session, SpeechSession):
            raise InvalidParameterError(
                "A transcription session makes no responses. For speech, send session.update with the type "
                "'realtime' before any audio, or open a connection whose address names a model that speaks.",
                param="type",
            )
        if self._finishing:
            raise ShuttingDownError
        await self._responses.create(self._session, wish)

    async def _do_with_items(
        self, event: client.ItemCreate | client.ItemDelete | client.ItemRetrieve | client.ItemTruncate
    ) -> None:
        match event:
            case client.ItemCreate():
                item = read_item(event.item, "item")
                before = self._items.add(item, event.previous_item_id)
                await self._wire.send(events.ItemAdded(previous_item_id=before, item=item))
                await self._wire.send(events.ItemDone(previous_item_id=before, item=item))
            case client.ItemDelete(item_id=item_id):
                self._items.delete(item_id)
                await self._wire.send(events.ItemDeleted(item_id=item_id))
            case client.ItemRetrieve(item_id=item_id):
                await self._wire.send(events.ItemRetrieved(item=self._items.get(item_id)))
            case client.ItemTruncate(item_id=item_id, content_index=index, audio_end_ms=end_ms):
                self._items.get(item_id)
                await self._wire.send(
                    events.ItemTruncated(item_id=item_id, content_index=index, audio_end_ms=end_ms)
                )

    async def _barge_in(self) -> None:
        """End the response, if somebody who begins to speak shall do that."""
        turns = self._session.audio.input.turn_detection
        if turns is not None and turns.interrupt_response:
            await self._responses.stop("turn_detected")

    # ── The session ──────────────────────────────────────────────────────────

    async def _update_beta(self, changes: dict[str, Any]) -> None:
        try:
            self._update(from_beta(changes))
        except RequestError as error:
            error.param = in_beta_words(error.param)
            raise
        await self._wire.send(events.TranscriptionSessionUpdated(session=as_beta(self._session)))

    def _update(self, changes: dict[str, Any]) -> None:
        """Change the session, or nothing of it.

        Raises:
            RequestError: The changes are wrong.
        """
        unused = not (self._buffer.begun or self._responses.begun)
        state = self._state.updated(changes, may_switch=unused)
        if isinstance(state.session, SpeechSession):
            check_speaking(self._catalog, state.session)
        self._buffer.set(state.session.audio.input, transcribes=transcribes(state.session))
        self._state = state

    def _with_model(self, settings: LiveSettings) -> LiveSettings:
        """Return *settings* with the model of the address, if they name none and it transcribes."""
        if settings.model or not self._query_model:
            return settings
        try:
            self._catalog.stt(self._query_model)
        except RequestError:  # clients put models that speak there, and OpenAI's
            return settings
        return replace(settings, model=self._query_model)

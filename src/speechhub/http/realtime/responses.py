"""Responses of a realtime session: one at a time, each a text that the client has sent."""

import asyncio
from collections.abc import Callable

from speechhub.errors import InvalidValueError, RequestError
from speechhub.http.realtime.client_events import ResponseOutput, ResponseWish
from speechhub.http.realtime.faults import ResponseActiveError, ResponseNotActiveError
from speechhub.http.realtime.item_list import NO_ANSWERS, ItemList, read_item
from speechhub.http.realtime.items import ConversationItem, WrittenItem, new_id
from speechhub.http.realtime.response import CancelReason, ResponsePlan, SpokenResponse
from speechhub.http.realtime.session_object import SpeechSession
from speechhub.http.realtime.update import read_format
from speechhub.http.realtime.wire import Wire
from speechhub.http.schemas.audio import VoiceRef
from speechhub.services.catalog import Catalog
from speechhub.services.speech import SpeechService


class Responses:
    """The responses of one session."""

    def __init__(
        self,
        catalog: Catalog,
        speech: SpeechService,
        wire: Wire,
        items: ItemList,
        tasks: asyncio.TaskGroup,
        *,
        take: Callable[[], None],
    ) -> None:
        """Say nothing yet.

        Args:
            catalog: Finds models by name.
            speech: Speaks.
            wire: The client.
            items: The conversation: its texts are spoken, and responses become items of it.
            tasks: The session's.
            take: Counts a response among the caller's requests; raises `RateLimitedError`.
        """
        self._catalog = catalog
        self._speech = speech
        self._wire = wire
        self._items = items
        self._tasks = tasks
        self._take = take
        self._conversation_id = new_id("conv")
        self._last: SpokenResponse | None = None

    @property
    def begun(self) -> bool:
        """Whether there was any response."""
        return self._last is not None

    async def create(self, session: SpeechSession, wish: ResponseWish) -> None:
        """Begin to speak.

        Raises:
            RequestError: Something speaks already, or there is nothing to speak.
            RateLimitedError: This caller has sent too many requests.
        """
        if self._last is not None and self._last.active:
            raise ResponseActiveError(self._last.id)
        plan = self._plan(session, wish)
        self._take()
        self._last = SpokenResponse(plan, self._speech, self._wire, on_item=self._note)
        await self._last.start(self._tasks)

    async def cancel(self, response_id: str | None) -> None:
        """End the response that is being spoken.

        Raises:
            ResponseNotActiveError: There is none, or it is another.
        """
        if self._last is None or not self._last.active or response_id not in (None, self._last.id):
            raise ResponseNotActiveError
        await self._last.cancel("client_cancelled")

    async def stop(self, reason: CancelReason) -> None:
        """End the response that is being spoken, if there is one."""
        if self._last is not None:
            await self._last.cancel(reason)

    async def wait(self) -> None:
        """Return when nothing is being spoken."""
        if self._last is not None:
            await self._last.wait()

    def _plan(self, session: SpeechSession, wish: ResponseWish) -> ResponsePlan:
        if wish.output_modalities is not None and "audio" not in wish.output_modalities:
            raise InvalidValueError(
                "speechhub speaks, and writes no text: output_modalities must have 'audio'.",
                param="response.output_modalities",
            )
        text = self._text(wish)
        check_speaking(self._catalog, session)
        own = (wish.audio.output if wish.audio else None) or ResponseOutput()
        output = session.audio.output
        voice = own.voice or output.voice
        audio_format = output.format
        if own.format is not None:
            audio_format = read_format(own.format, "response.audio.output.format")
        return ResponsePlan(
            text=text,
            model=session.model,
            voice=voice.id if isinstance(voice, VoiceRef) else voice,
            speed=own.speed or output.speed,
            instructions=session.instructions if wish.instructions is None else wish.instructions,
            audio_format=audio_format,
            metadata=wish.metadata,
            conversation_id=None if wish.conversation == "none" else self._conversation_id,
        )

    def _text(self, wish: ResponseWish) -> str:
        """Return what a response speaks.

        Raises:
            InvalidValueError: There is no text.
        """
        if wish.input is not None:
            items = [self._given(written, number) for number, written in enumerate(wish.input)]
        else:
            newest = self._items.newest("user")
            items = [] if newest is None else [newest]
        text = "\n".join(item.text for item in items if item.role == "user" and item.text.strip())
        if not text:
            what = "" if any(item.has_audio for item in items) else "There is no text to speak. "
            raise InvalidValueError(f"{what}{NO_ANSWERS}", param="response.input")
        return text

    def _given(self, written: WrittenItem, number: int) -> ConversationItem:
        if written.type == "item_reference" and written.id is not None:
            return self._items.get(written.id, param=f"response.input[{number}].id")
        return read_item(written, f"response.input[{number}]")

    def _note(self, item: ConversationItem) -> str | None:
        """Keep the item of a response; return the id of the one before it."""
        if item.status == "in_progress":
            return self._items.add(item)
        self._items.replace(item)
        return None


def check_speaking(catalog: Catalog, session: SpeechSession) -> None:
    """Check that a session's model speaks.

    Raises:
        ModelNotFoundError: There is none of this name.
    """
    try:
        catalog.tts(session.model)
    except RequestError as error:
        error.param = "session.model"
        raise

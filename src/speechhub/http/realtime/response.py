"""One response of a realtime session: a text that is spoken word for word, and the events about it."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import structlog

from speechhub.codecs.encode import SpeechFormat
from speechhub.errors import SpeechhubError
from speechhub.http.errors import internal_error
from speechhub.http.realtime import server_events as events
from speechhub.http.realtime.items import ConversationItem, OutputAudioPart, new_id
from speechhub.http.realtime.session_object import AudioFormat
from speechhub.http.realtime.sound import SamplesOut
from speechhub.http.realtime.wire import Wire
from speechhub.http.render import CHARS_PER_TOKEN, TOKENS_PER_S
from speechhub.services.speech import SpeechService, SpeechStream
from speechhub.services.speech_job import SpeechJob

log = structlog.get_logger()

MAX_DELTA_BYTES: Final = 24_000
"""Most audio in one event: half a second of PCM16 at 24 kHz, and 32 KB of base64."""

CancelReason = Literal["turn_detected", "client_cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePlan:
    """What one response will be."""

    text: str
    """Spoken word for word."""
    model: str
    voice: str | None
    speed: float
    instructions: str | None
    audio_format: AudioFormat
    metadata: dict[str, str] | None = None
    conversation_id: str | None = None
    """None keeps the response out of the conversation."""

    @property
    def job(self) -> SpeechJob:
        """What the speech service is asked for."""
        return SpeechJob(
            text=self.text,
            model=self.model,
            voice=self.voice,
            format=SpeechFormat.PCM,
            sample_rate=self.audio_format.rate,
            speed=self.speed,
            instructions=self.instructions or None,
            whole=False,
        )


class SpokenResponse:
    """A response from ``response.created`` to ``response.done``; `start` speaks it, `cancel` ends it early.

    No event leaves after `cancel` was called but those by which it ends.
    """

    def __init__(
        self,
        plan: ResponsePlan,
        speech: SpeechService,
        wire: Wire,
        *,
        on_item: Callable[[ConversationItem], str | None],
    ) -> None:
        """Plan a response.

        Args:
            plan: What it is.
            speech: Speaks.
            wire: The client.
            on_item: Told the item when it begins and when it ends; returns the id of the item before it.
        """
        self._plan = plan
        self._speech = speech
        self._wire = wire
        self._on_item = on_item
        self.id = new_id("resp")
        self._item_id = new_id("item")
        self._before: str | None = None
        self._out = SamplesOut(plan.audio_format)
        self._item_begun = self._part_begun = False
        self._over = False
        self._task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether ``response.done`` is still to come."""
        return not self._over

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Announce it, and begin to speak, as one of *tasks*."""
        await self._wire.send(events.ResponseCreated(response=self._response("in_progress")))
        if not self._over:  # it may be cancelled while the client does not read
            self._task = tasks.create_task(self._run())

    async def wait(self) -> None:
        """Return when it is over."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def cancel(self, reason: CancelReason) -> None:
        """End it now; the engine stops in the background, within its grace."""
        if self._over:
            return
        self._over = True
        if self._task is not None:
            self._task.cancel()
        self._wire.forget_audio()
        await self._end("cancelled", events.StatusDetails(type="cancelled", reason=reason))

    async def _run(self) -> None:
        try:
            await self._speak()
        except SpeechhubError as error:
            log.info("response failed", error=type(error).__name__, reason=str(error))
            failure = self._wire.described(error)
        except Exception as error:
            log.exception("response failed", error=type(error).__name__)
            failure = internal_error()
        else:
            self._over = True
            await self._end("completed", None)
            return
        self._over = True
        await self._end("failed", events.StatusDetails(type="failed", error=failure))

    async def _speak(self) -> None:
        stream = await self._speech.open(self._plan.job)
        try:
            await self._begin_item()
            await self._send_all(stream)
        finally:
            await stream.aclose()

    async def _begin_item(self) -> None:
        place = self._place
        item = self._item("in_progress")
        await self._wire.send(events.OutputItemAdded(response_id=self.id, item=item))
        self._item_begun = True
        if self._plan.conversation_id:
            self._before = self._on_item(item)
            await self._wire.send(events.ItemAdded(previous_item_id=self._before, item=item))
        await self._wire.send(events.ContentPartAdded(**place, part=events.AudioContent(transcript="")))
        self._part_begun = True
        await self._wire.send(events.OutputTranscriptDelta(**place, delta=self._plan.text))

    async def _send_all(self, stream: SpeechStream) -> None:
        place = self._place
        async for pcm16 in stream:
            audio = memoryview(self._out.write(pcm16))
            for start in range(0, len(audio), MAX_DELTA_BYTES):
                delta = bytes(audio[start : start + MAX_DELTA_BYTES])
                await self._wire.send(events.OutputAudioDelta(**place, delta=delta))

    async def _end(
        self, status: Literal["completed", "cancelled", "failed"], details: events.StatusDetails | None
    ) -> None:
        """Send the events that end what has begun."""
        place = self._place
        item = self._item("completed" if status == "completed" else "incomplete")
        if self._part_begun:
            text = self._plan.text
            await self._wire.send(events.OutputAudioDone(**place))
            await self._wire.send(events.OutputTranscriptDone(**place, transcript=text))
            await self._wire.send(events.ContentPartDone(**place, part=events.AudioContent(transcript=text)))
        if self._item_begun:
            if self._plan.conversation_id:
                self._on_item(item)
                await self._wire.send(events.ItemDone(previous_item_id=self._before, item=item))
            await self._wire.send(events.OutputItemDone(response_id=self.id, item=item))
        output = (item,) if self._item_begun else ()
        await self._wire.send(events.ResponseDone(response=self._response(status, details, output)))

    @property
    def _place(self) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": self._item_id}

    def _item(self, status: Literal["completed", "incomplete", "in_progress"]) -> ConversationItem:
        content = () if status == "in_progress" else (OutputAudioPart(transcript=self._plan.text),)
        return ConversationItem(id=self._item_id, status=status, role="assistant", content=content)

    def _response(
        self,
        status: Literal["in_progress", "completed", "cancelled", "failed"],
        details: events.StatusDetails | None = None,
        output: tuple[ConversationItem, ...] = (),
    ) -> events.Response:
        plan = self._plan
        sound = events.OutputSound(format=msgspec.to_builtins(plan.audio_format), voice=plan.voice)
        return events.Response(
            id=self.id,
            status=status,
            status_details=details,
            output=output,
            conversation_id=plan.conversation_id,
            audio=events.ResponseSound(output=sound),
            usage=None if status == "in_progress" else self._usage(),
            metadata=plan.metadata,
        )

    def _usage(self) -> events.ResponseUsage:
        read = math.ceil(len(self._plan.text) / CHARS_PER_TOKEN)
        spoken = math.ceil(self._out.duration_s * TOKENS_PER_S)
        return events.ResponseUsage(
            total_tokens=read + spoken,
            input_tokens=read,
            output_tokens=spoken,
            input_token_details=events.InputTokens(text_tokens=read),
            output_token_details=events.OutputTokens(audio_tokens=spoken),
        )

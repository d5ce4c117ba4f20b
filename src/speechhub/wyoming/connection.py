"""Connection of one client: it takes events at any time, and does one job at a time.

It is idle, or hears an utterance, or speaks a text that is still arriving, or answers a complete request. An
event that begins a job gives up the one before it. Reading never stops meanwhile: the server notices a client
that leaves, and answers `describe` at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import structlog
from wyoming.event import Event, Eventable
from wyoming.ping import Pong

from speechhub.errors import RequestCancelledError, RequestTimeoutError, ShuttingDownError, SpeechhubError
from speechhub.wyoming.client_events import (
    AudioChunk,
    AudioStart,
    AudioStop,
    Describe,
    Ping,
    ReceivedEvent,
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    Transcribe,
    VoiceWish,
    read_event,
)
from speechhub.wyoming.exchange import STT_ROUTE, TTS_ROUTE, Exchange, Notes, error_event, log_bug
from speechhub.wyoming.wire import UnreadableEventError, WyomingWire

log = structlog.get_logger()

FIRST_S: Final = 10.0
"""How long the first event may take to arrive."""
QUIET_S: Final = 60.0
"""How long each further event may take, unless the client waits for an answer."""
FINAL: Final = ("transcript", "audio-stop")
"""Events that complete an answer; Home Assistant may not wait for what follows them."""

Send = Callable[..., Awaitable[None]]
"""`WyomingWire.send`."""


class BegunUtterance(Protocol):
    """An utterance; made when it begins, and closed in every case."""

    async def add(self, chunk: AudioChunk) -> None:
        """Append audio; wait while there is no room for it."""
        ...

    async def answer(self, send: Send, notes: Notes) -> None:
        """Send the transcript; called once, after the last chunk."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class BegunSpeech(Protocol):
    """A speech; made when its text begins, and closed in every case."""

    async def write(self, text: str) -> None:
        """Append text; wait while too much waits to be spoken."""
        ...

    def end(self) -> None:
        """Say that the text is complete."""
        ...

    async def answer(self, send: Send, notes: Notes) -> None:
        """Send the sound, from the first sentence on; called once, while text is still written."""
        ...

    async def aclose(self) -> None:
        """Free what it holds, and its engine at once."""
        ...


class OpenSpeech(Protocol):
    """What begins a speech."""

    async def __call__(
        self, wish: VoiceWish | None, *, text_format: str | None, streamed: bool
    ) -> BegunSpeech:
        """Find the voice; raises RequestError if there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the server does for a client."""

    info: Callable[[], Event]
    hear: Callable[[Transcribe], BegunUtterance]
    """Begins an utterance; raises RequestError where no model fits."""
    speak: OpenSpeech
    exchange: Callable[[str], Exchange]
    """Makes the exchange for one of the routes."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Job:
    """An utterance or a speech, from its first event until its answer."""

    exchange: Exchange
    pieces: asyncio.Queue[AudioChunk | str | None] = field(default_factory=lambda: asyncio.Queue(1))
    """Audio or text on its way to the work; None for its end."""
    is_hearing: bool
    has_text: bool = False
    """Whether a speech has anything to say."""
    complete: bool = False
    """Whether the client has sent the whole request, and waits for the answer."""
    given_up: bool = False
    """Whether it is being cancelled; an error that the cancellation causes is not sent to the client."""
    task: asyncio.Task[None] | None = None

    async def finish_request(self) -> None:
        """Say that the request is complete."""
        self.complete = True
        await self.pieces.put(None)


class Connection:
    """A conversation with one client, from the first event until either side closes it."""

    def __init__(self, wire: WyomingWire, offer: Offer) -> None:
        self._wire = wire
        self._offer = offer
        self._wanted = Transcribe()
        self._job: _Job | None = None
        self._over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        """Done when the server ends the conversation; the result is the error to send, if any."""
        self._stopping = False
        self._patience_s = FIRST_S
        self._waits_since: float | None = None
        """When reading the next event began; None while one is handled."""

    @property
    def busy(self) -> bool:
        """Whether work runs for the client."""
        return self._job is not None

    async def serve(self) -> None:
        """Converse; return when the connection is closed."""
        try:
            error = await self._converse()
            if error is not None and not isinstance(error, RequestCancelledError):
                await self._wire.farewell(error_event(error))
        finally:
            await self._wire.close()

    def finish(self) -> None:
        """Begin nothing new: the server is stopping.

        Running work may go on, and the connection is closed after it. An utterance that is still being heard
        ends with an error, because its transcript would come too late; so does a speech without any text yet.
        """
        self._stopping = True
        if self._job is None:
            self._end(None)
        elif not (self._job.complete or self._job.has_text):
            self.cut_off()

    def cut_off(self) -> None:
        """End the conversation now: the server has no more time for it."""
        self._end(ShuttingDownError() if self._job else None)

    def _end(self, reason: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(reason)

    async def _converse(self) -> Exception | None:
        """Take events until the conversation is over; return the error that ended it, if one did."""
        helpers = [asyncio.create_task(self._read()), asyncio.create_task(self._watch())]
        reason: Exception | None = None
        try:
            await asyncio.wait([*helpers, self._over], return_when=asyncio.FIRST_COMPLETED)
            if self._over.done():
                reason = self._over.result()
            else:
                reason = next(it.result() for it in helpers if it.done())
            return reason
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._give_up(reason if isinstance(reason, SpeechhubError) else None)

    async def _read(self) -> Exception | None:
        """Handle events until the client leaves, or one fails; return the failure."""
        clock = asyncio.get_running_loop().time
        try:
            while not self._over.done():  # after a failure nothing new begins
                self._waits_since = clock()
                raw = await self._wire.read()
                self._waits_since, self._patience_s = None, QUIET_S
                if raw is None:
                    return None
                event = read_event(raw)
                if event is not None:
                    await self._handle(event)
                await asyncio.sleep(0)  # a client that sends a thousand events at once holds up no other
        except SpeechhubError as error:
            if isinstance(error, UnreadableEventError):
                log.info("event cannot be read", path="wyoming", problem=error.message)
            return error
        except Exception as error:  # noqa: BLE001 - the client is told, and the log has it
            log_bug(error, "wyoming")
            return error
        return None

    async def _watch(self) -> Exception | None:
        """Return when the client has kept the server waiting for too long."""
        clock = asyncio.get_running_loop().time
        while True:
            left_s = self._patience_s
            if self._waits_since is not None and not (self._job and self._job.complete):
                left_s -= clock() - self._waits_since
            if left_s <= 0:
                break
            await asyncio.sleep(left_s)
        if self._job is None:
            return None
        return RequestTimeoutError(
            f"No event arrived for {QUIET_S:g} s, and the request is not complete. Send it again, whole."
        )

    async def _handle(self, event: ReceivedEvent) -> None:
        hearing = self._job if self._job and not self._job.complete and self._job.is_hearing else None
        speaking = self._job if self._job and not self._job.complete and not self._job.is_hearing else None
        match event:
            case Describe() | Ping():
                known = self._offer.info() if isinstance(event, Describe) else Pong(text=event.text)
                await self._wire.send(known)
            case Transcribe():
                self._wanted = event
            case AudioStart():
                await self._begin_hearing()
            case AudioChunk():
                hearing = hearing or await self._begin_hearing()
                await hearing.pieces.put(event)
            case AudioStop() if hearing:
                await hearing.finish_request()
            case SynthesizeStart():
                await self._begin_speaking(event, streamed=True)
            case SynthesizeChunk() if speaking:
                speaking.has_text = speaking.has_text or not event.text.isspace()
                await speaking.pieces.put(event.text)
            case SynthesizeStop() if speaking:
                await speaking.finish_request()
            # Within a stream it repeats the whole text, for servers that do not know streams.
            case Synthesize() if not speaking:
                job = await self._begin_speaking(event, streamed=False)
                await job.pieces.put(event.text)
                await job.finish_request()
            case _:  # any other event has no meaning in this state
                pass

    async def _begin_hearing(self) -> _Job:
        await self._give_up()
        job = _Job(exchange=self._offer.exchange(STT_ROUTE), is_hearing=True)
        return self._begin(job, partial(self._hear, job, self._wanted))

    async def _begin_speaking(self, event: Synthesize | SynthesizeStart, *, streamed: bool) -> _Job:
        await self._give_up()
        job = _Job(exchange=self._offer.exchange(TTS_ROUTE), is_hearing=False)
        return self._begin(job, partial(self._speak, job, event, streamed))

    def _begin(self, job: _Job, work: Callable[[Notes], Awaitable[None]]) -> _Job:
        self._job = job
        job.task = asyncio.create_task(self._carry_out(job, work))
        return job

    async def _carry_out(self, job: _Job, work: Callable[[Notes], Awaitable[None]]) -> None:
        """Do the work; afterwards the connection is idle, or over if it failed."""
        try:
            error = await job.exchange.run(work)
            if not job.given_up and (error is not None or self._stopping):
                self._end(error)
        finally:
            self._job = None
            if self._waits_since is not None:
                self._waits_since = asyncio.get_running_loop().time()

    async def _give_up(self, reason: SpeechhubError | None = None) -> None:
        """Cancel the job, if there is one, and wait until it has freed everything.

        Args:
            reason: Why the server cancels it; None if the client left or began something new.
        """
        job = self._job
        if job is None or job.task is None:
            return
        job.given_up = True
        job.exchange.cut_off_by = reason
        job.task.cancel()
        await asyncio.gather(job.task, return_exceptions=True)
        self._job = None  # also if it had not begun to run

    async def _send(self, job: _Job, *events: Event | Eventable) -> None:
        """Send a part of a job's answer, and note when the client has the whole answer."""
        for event in events:
            plain = event if isinstance(event, Event) else event.event()
            await self._wire.send(plain)
            job.exchange.answered = job.exchange.answered or plain.type in FINAL

    async def _hear(self, job: _Job, wanted: Transcribe, notes: Notes) -> None:
        utterance = self._offer.hear(wanted)
        try:
            while isinstance(chunk := await job.pieces.get(), AudioChunk):
                await utterance.add(chunk)
            await utterance.answer(partial(self._send, job), notes)
        finally:
            utterance.close()

    async def _speak(
        self, job: _Job, event: Synthesize | SynthesizeStart, streamed: bool, notes: Notes
    ) -> None:
        speech = await self._offer.speak(event.voice, text_format=event.text_format, streamed=streamed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_write(speech, job.pieces))
                group.create_task(speech.answer(partial(self._send, job), notes))
        except ExceptionGroup as failed:
            first = failed.exceptions[0]
            raise first from first.__cause__  # the client is told of one error
        finally:
            await speech.aclose()


async def _write(speech: BegunSpeech, pieces: asyncio.Queue[AudioChunk | str | None]) -> None:
    while isinstance(text := await pieces.get(), str):
        await speech.write(text)
    speech.end()

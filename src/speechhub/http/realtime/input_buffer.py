"""Input audio buffer of a realtime session: appended audio in, OpenAI's events about it out."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from speechhub.errors import RateLimitedError, RequestError
from speechhub.http.realtime import server_events as events
from speechhub.http.realtime.faults import BufferFullError
from speechhub.http.realtime.item_list import ItemList
from speechhub.http.realtime.items import ConversationItem, InputAudioPart
from speechhub.http.realtime.session_object import (
    AudioFormat,
    AudioInput,
    SemanticVadTurns,
    ServerVadTurns,
    Transcription,
)
from speechhub.http.realtime.sound import SamplesIn
from speechhub.http.realtime.wire import Wire
from speechhub.http.sockets.farewells import FarewellReason
from speechhub.services import live
from speechhub.services.live import LiveService, LiveSettings, LiveTranscription, TurnSettings

ResultT = TypeVar("ResultT")

WHERE: Final[Mapping[str, str]] = {
    "model": "session.audio.input.transcription.model",
    "language": "session.audio.input.transcription.language",
    "prompt": "session.audio.input.transcription.prompt",
    "hotwords": "session.audio.input.transcription.keywords",
    "sample_rate": "session.audio.input.format.rate",
}
"""Fields of `LiveSettings` → where clients write them."""


class InputAudioBuffer:
    """What one client appends; the live transcription is made for the first audio, commit or clear."""

    def __init__(
        self,
        service: LiveService,
        wire: Wire,
        items: ItemList,
        tasks: asyncio.TaskGroup,
        *,
        begins: Callable[[LiveSettings], LiveSettings],
        take: Callable[[], None],
        on_speech: Callable[[], Awaitable[None]],
    ) -> None:
        """Hear nothing yet.

        Args:
            service: Transcribes.
            wire: The client.
            items: The conversation, which gets an item for each utterance.
            tasks: The session's.
            begins: Fills in what the address says, where the session says nothing.
            take: Counts an utterance among the caller's requests; raises `RateLimitedError`.
            on_speech: Called when somebody begins to speak.
        """
        self._service = service
        self._wire = wire
        self._items = items
        self._tasks = tasks
        self._begins = begins
        self._take = take
        self._on_speech = on_speech
        self._live: LiveTranscription | None = None
        self._settings = LiveSettings()
        self._samples: SamplesIn | None = None
        self._format: AudioFormat | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether there was anything to hear."""
        return self._live is not None

    @property
    def model(self) -> str | None:
        """The model as the client calls it; None means the default."""
        return self._settings.model

    def set(self, heard: AudioInput, *, transcribes: bool) -> None:
        """Hear as a session says from now on; nothing changes if that is refused.

        Args:
            heard: What the session says.
            transcribes: Whether the client wants texts.

        Raises:
            RequestError: A model does not exist, or cannot do it; its param is a path in the session.
        """
        settings = self._begins(settings_of(heard))
        if transcribes:
            check_hearing(self._service, settings)
        self.begin(heard, transcribes=transcribes)

    def begin(self, heard: AudioInput, *, transcribes: bool) -> None:
        """As `set`, without a look at models: their faults show when there is something to hear."""
        self._settings = replace(self._begins(settings_of(heard)), transcribes=transcribes)
        if heard.format != self._format:
            self._format, self._samples = heard.format, SamplesIn(heard.format)
        if self._live is not None:
            self._live.update(self._settings)

    async def append(self, audio: bytes) -> None:
        """Take audio in the session's format; wait while far too much of it is not judged."""
        assert self._samples is not None  # noqa: S101  # `begin` comes first
        samples = self._samples.read(audio)
        if len(samples):
            await self._opened().append(samples)

    async def commit(self) -> None:
        """End the utterance.

        Raises:
            RequestError: There is less than 100 ms of it.
        """
        await self._opened().commit()

    async def clear(self) -> None:
        """Forget what is not committed."""
        if self._format is not None:
            self._samples = SamplesIn(self._format)
        if self._live is not None:
            await self._live.clear()
        else:  # nothing was heard, and no model is needed for that
            await self._wire.send(events.BufferCleared())

    async def drain(self) -> None:
        """Return when every utterance has its text, and that is on its way."""
        if self._live is not None and self._pump is not None:
            await self._live.drain()
            await asyncio.wait([self._pump])

    def stop(self) -> None:
        """Say nothing more about what was heard."""
        if self._pump is not None:
            self._pump.cancel()

    async def aclose(self) -> None:
        """Free everything."""
        if self._live is not None:
            await self._live.aclose()

    def summary(self) -> dict[str, object]:
        """Return what was heard, for the log."""
        heard = self._live
        return {
            "audio_s": round(heard.audio_s, 1) if heard else 0.0,
            "utterances": heard.utterances if heard else 0,
            "partials": heard.partials_made if heard else 0,
            "partials_skipped": heard.partials_skipped if heard else 0,
        }

    def _opened(self) -> LiveTranscription:
        """Return the live transcription.

        Raises:
            RequestError: The session's model does not exist.
        """
        if self._live is None:
            self._live = _placed(lambda: self._service.open(self._settings))
            self._pump = self._tasks.create_task(self._say_all(self._live))
        return self._live

    async def _say_all(self, transcription: LiveTranscription) -> None:
        async for event in transcription.events():
            if isinstance(event, live.SpeechStarted | live.SpeechStopped | live.Committed | live.Cleared):
                await self._say_heard(event)
            elif isinstance(event, live.BufferFull):
                await self._wire.send_error(BufferFullError())
            else:
                await self._say_text(event)

    async def _say_heard(
        self, event: live.SpeechStarted | live.SpeechStopped | live.Committed | live.Cleared
    ) -> None:
        match event:
            case live.SpeechStarted(item=item_id, at_ms=at_ms):
                await self._wire.send(events.BufferSpeechStarted(item_id=item_id, audio_start_ms=at_ms))
                await self._on_speech()
            case live.SpeechStopped(item=item_id, at_ms=at_ms):
                await self._wire.send(events.BufferSpeechStopped(item_id=item_id, audio_end_ms=at_ms))
            case live.Committed(item=item_id, previous=before):
                await self._say_committed(item_id, before)
            case live.Cleared():
                await self._wire.send(events.BufferCleared())

    async def _say_committed(self, item_id: str, before: str | None) -> None:
        item = ConversationItem(id=item_id, role="user", content=(InputAudioPart(),))
        self._items.add(item)
        await self._wire.send(events.BufferCommitted(item_id=item_id, previous_item_id=before))
        await self._wire.send(events.ItemAdded(previous_item_id=before, item=item))
        await self._wire.send(events.ItemDone(previous_item_id=before, item=item))
        if not self._settings.transcribes:
            return
        try:
            self._take()
        except RateLimitedError as error:
            await self._wire.send_error(error)
            limited = FarewellReason.RATE_LIMITED
            # In a task of its own: this one ends when the connection does.
            self._tasks.create_task(self._wire.close(limited.close_code, limited.code))

    async def _say_text(
        self, event: live.TranscriptDelta | live.TranscriptCompleted | live.TranscriptFailed
    ) -> None:
        match event:
            case live.TranscriptDelta(item=item_id, text=text):
                await self._wire.send(events.TranscriptionDelta(item_id=item_id, delta=text))
            case live.TranscriptFailed(item=item_id, error=error):
                told = self._wire.described(error)
                await self._wire.send(events.TranscriptionFailed(item_id=item_id, error=told))
            case live.TranscriptCompleted(item=item_id, transcript=transcript, duration_s=duration_s):
                said = InputAudioPart(transcript=transcript.text)
                self._items.replace(ConversationItem(id=item_id, role="user", content=(said,)))
                await self._wire.send(
                    events.TranscriptionCompleted(
                        item_id=item_id,
                        transcript=transcript.text,
                        usage=events.AudioUsage(seconds=duration_s),
                        languages=tuple(events.SpokenLanguage(code=code) for code in transcript.languages),
                    )
                )


def check_hearing(service: LiveService, settings: LiveSettings) -> None:
    """Check what a session says about what it hears; loads nothing.

    Raises:
        RequestError: A model does not exist, or cannot do it; its param is a path in the session.
    """
    _placed(lambda: service.check(settings))


def settings_of(heard: AudioInput) -> LiveSettings:
    """Return what a session says about what it hears, in the words of live transcription."""
    wish = heard.transcription or Transcription()
    languages = wish.languages or ()
    return LiveSettings(
        model=wish.model,
        language=wish.language or (languages[0] if len(languages) == 1 else None),
        prompt=wish.prompt,
        hotwords=wish.keywords or (),
        sample_rate=heard.format.rate,
        turns=_turns(heard.turn_detection),
    )


def _turns(turns: ServerVadTurns | SemanticVadTurns | None) -> TurnSettings | None:
    match turns:
        case ServerVadTurns(threshold=threshold, prefix_padding_ms=prefix_ms, silence_duration_ms=silence_ms):
            return TurnSettings(threshold=threshold, prefix_ms=prefix_ms, silence_ms=silence_ms)
        case SemanticVadTurns(silence_ms=silence_ms):
            return TurnSettings(silence_ms=silence_ms)
        case _:
            return None


def _placed(call: Callable[[], ResultT]) -> ResultT:
    """Return what *call* returns; the param of an error becomes the path that clients write."""
    try:
        return call()
    except RequestError as error:
        error.param = WHERE.get(error.param or "", error.param)
        raise

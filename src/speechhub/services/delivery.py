"""Delivery of an engine's audio, piece by piece, as encoded bytes that wait for a listener."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Final

from speechhub.codecs.encode import HEAD_BYTES, OUTPUT_RATE, SpeechFormat
from speechhub.codecs.pipeline import SpeechPipeline
from speechhub.engine import Audio
from speechhub.errors import SpeechTooLongError
from speechhub.pools import Pool
from speechhub.services.backlog import Backlog
from speechhub.services.pieces import TextPiece
from speechhub.services.spoken import Spoken

SOON_S: Final = 0.3
"""How much of the speech, in seconds, is encoded and sent before the rest of the engine's first piece.

That piece is a whole sentence, whose MP3 takes 60 ms. Less than this fills no packet of some formats."""
AT_ONCE_S: Final = 0.02
"""How long after its first audio an engine may take to report that this was all, in seconds."""
LONGEST_JOIN_S: Final = 10.0
"""Silence that is made at a time, in seconds."""


class Delivery:
    """The audio of one speech on its way to its backlog."""

    def __init__(
        self,
        backlog: Backlog,
        encoding: Pool,
        *,
        speech_format: SpeechFormat,
        output_rate: int | None,
        bit_rate: int | None = None,
        speed: float,
        longest_s: float = math.inf,
        whole: bool | None = False,
    ) -> None:
        """Begin with nothing delivered.

        Args:
            backlog: Takes the bytes.
            encoding: Whose threads encode.
            speech_format: What the bytes are.
            output_rate: In hertz; None means `OUTPUT_RATE`.
            bit_rate: Bits per second of a compressed format; None means the usual ones.
            speed: How many times as fast as it was spoken the speech is heard.
            longest_s: Longest speech, as it is heard, in seconds.
            whole: Whether the bytes wait until all of them are there, with headers that tell the length. None
                means if the engine has nothing more to say `AT_ONCE_S` after its first audio; only for what
                is one piece.
        """
        self._whole: bool | None = None
        self._head = b""
        """The beginning of the bytes, where it waits for the whole."""
        self._undecided: list[Audio] = []
        """Audio that came while it is undecided whether it is the whole."""
        self._backlog = backlog
        self._encoding = encoding
        self._format = speech_format
        self._output_rate = output_rate or OUTPUT_RATE
        self._bit_rate = bit_rate
        self._speed = speed
        self._longest_s = longest_s
        self._pipeline: SpeechPipeline | None = None
        self._before: TextPiece | None = None
        """The last piece that was delivered."""
        self._lead_s = 0.0
        if whole is not None:
            self._decide(whole=whole)

    @property
    def has_begun(self) -> bool:
        """Whether there was any audio."""
        return self._pipeline is not None

    @property
    def duration_s(self) -> float:
        """Length of what was delivered, as it is heard, in seconds; less what is held back for a join."""
        return self._pipeline.duration_s if self._pipeline is not None else 0.0

    async def begin(self, piece: TextPiece) -> None:
        """Prepare for the audio of the next *piece*: first comes the pause that the piece before wanted.

        A piece without text says what that pause is, which may be known late in a text that is being written.
        """
        if self._before is not None and self._before.text and not piece.text:
            self._before = replace(self._before, pause=piece.pause, asked=piece.asked)
            return
        if self._before is None or not self._before.text:
            self._lead_s = self._before.pause.shortest_s if self._before else 0.0
        elif self._pipeline is not None:
            await self._rest(self._pipeline, self._before.pause.shortest_s - LONGEST_JOIN_S)
            self._pipeline.join(self._before.pause)
        self._before = piece

    async def take(self, speech: AsyncIterator[Audio], spoken: Spoken) -> None:
        """Encode an engine's audio as it comes, once *spoken* has checked it.

        Raises:
            SpeechTooLongError: The speech is too long.
            EngineError: The audio cannot be played.
        """
        later: asyncio.Task[None] | None = None
        try:
            async for audio in speech:
                spoken.add(audio)
                if not len(audio.samples):  # not even a header may go out for it
                    continue
                if self._whole is None:
                    self._undecided.append(audio)
                    later = later or asyncio.create_task(self._go_on_later())
                    continue
                if later is not None:
                    await later
                await self._feed(audio)
            if self._whole is None and later is not None:
                later.cancel()
                self._decide(whole=True)
                await self._feed_undecided()
            elif later is not None:
                await later
        finally:
            if later is not None:
                later.cancel()
                await asyncio.gather(later, return_exceptions=True)

    async def settle(self) -> None:
        """Deliver what is held back of the last piece, because the next one is late."""
        if self._pipeline is None or self._before is None:
            return
        pause = self._before.pause
        soon = replace(pause, shortest_s=min(pause.shortest_s, LONGEST_JOIN_S))
        await self._send(partial(self._pipeline.settle, soon))

    async def be_silent(self, silence: Audio) -> None:
        """Deliver *silence* instead of speech, and the pauses that the text asks for."""
        pipeline = await self._begun(silence.sample_rate)
        await self._rest(pipeline, silence.duration_s)

    async def finish(self) -> None:
        """Deliver the rest; a pause at the end of a text is one that it asks for."""
        if self._pipeline is None:
            return
        if self._before is not None and self._before.asked:
            await self._rest(self._pipeline, self._before.pause.shortest_s)
        await self._send(self._pipeline.finish)
        if self._whole:
            self._backlog.lead(self._pipeline.patched(self._head))

    def _decide(self, *, whole: bool) -> None:
        self._whole = whole
        if whole:
            self._backlog.hold()

    async def _go_on_later(self) -> None:
        """Deliver what came, unless the engine is done by then."""
        await asyncio.sleep(AT_ONCE_S)
        self._decide(whole=False)
        await self._feed_undecided()

    async def _feed_undecided(self) -> None:
        came, self._undecided = self._undecided, []
        for audio in came:
            await self._feed(audio)

    async def _feed(self, audio: Audio) -> None:
        slices, pipeline = [audio], self._pipeline
        if pipeline is None:
            if not self._whole:
                slices = [audio.slice_s(0, SOON_S), audio.slice_s(SOON_S, audio.duration_s)]
            pipeline = await self._begun(audio.sample_rate)
        for some in slices:
            await self._send(partial(pipeline.feed, some))
        self._check_length(pipeline)

    async def _begun(self, sample_rate: int) -> SpeechPipeline:
        if self._whole is None:  # there is nothing to wait for
            self._decide(whole=True)
        self._pipeline = SpeechPipeline(
            self._format,
            sample_rate=sample_rate,
            speed=self._speed,
            output_rate=self._output_rate,
            bit_rate=self._bit_rate,
            whole=bool(self._whole),
        )
        await self._rest(self._pipeline, self._lead_s)
        return self._pipeline

    async def _rest(self, pipeline: SpeechPipeline, seconds: float) -> None:
        """Deliver silence, some of it at a time: a pause can be as long as a speech."""
        while seconds > 0:
            await self._send(partial(pipeline.rest, min(seconds, LONGEST_JOIN_S)))
            self._check_length(pipeline)
            seconds -= LONGEST_JOIN_S

    def _check_length(self, pipeline: SpeechPipeline) -> None:
        if pipeline.duration_s > self._longest_s:
            raise SpeechTooLongError(self._longest_s)

    async def _send(self, encode: Callable[[], bytes]) -> None:
        """Put what *encode* makes, in a thread, on its way to the listener."""
        data = await self._encoding.run(encode)
        if self._whole:
            more = HEAD_BYTES - len(self._head)
            self._head, data = self._head + data[:more], data[more:]
        await self._backlog.put(data)

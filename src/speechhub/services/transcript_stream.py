"""A transcript on its way to one listener."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Self

import structlog

from speechhub.errors import SpeechhubError
from speechhub.services.longform import Longform
from speechhub.services.transcript_join import JoinedTranscript

log = structlog.get_logger()


class TranscriptStream:
    """Iterates pieces of text, and at last the transcript; close it when the listener leaves.

    The pieces join to the transcript's text exactly. The engine runs ahead of a slow listener, so that no
    listener ever holds it; what waits here is text, and no more than one recording has.
    """

    def __init__(self, work: Longform, limit: AbstractAsyncContextManager[object]) -> None:
        """Start the work, within *limit*."""
        self._work = work
        self._events: asyncio.Queue[str | JoinedTranscript | None] = asyncio.Queue()
        self._first: str | JoinedTranscript | None = None
        self._producer = asyncio.create_task(self._produce(limit))

    @classmethod
    async def open(cls, work: Longform, limit: AbstractAsyncContextManager[object]) -> Self:
        """Return a stream whose first event exists: whatever can be refused was refused.

        Raises:
            SpeechhubError: What went wrong before it.
        """
        stream = cls(work, limit)
        try:
            await stream.begin()
        except BaseException:
            await stream.aclose()
            raise
        return stream

    @property
    def done_s(self) -> float:
        """How much of the recording is transcribed, in seconds."""
        return self._work.done_s

    async def begin(self) -> None:
        """Wait for the first event; raise what went wrong if there is none."""
        self._first = await self._events.get()
        if self._first is None:
            await self._producer

    async def __aiter__(self) -> AsyncGenerator[str | JoinedTranscript, None]:
        event = self._first
        while event is not None:
            yield event
            event = await self._events.get()
        try:
            await self._producer
        except SpeechhubError as error:
            log.error("transcript broke off", error=type(error).__name__, reason=str(error))
            raise  # a failure after the first event must be told, not end the stream well

    async def aclose(self) -> None:
        """Stop the work; return when the engine's call is over or abandoned."""
        self._producer.cancel()
        await asyncio.gather(self._producer, return_exceptions=True)

    async def _produce(self, limit: AbstractAsyncContextManager[object]) -> None:
        try:
            async with limit, aclosing(self._work.events(live=True)) as events:
                async for event in events:
                    self._events.put_nowait(event)
        finally:
            self._events.put_nowait(None)

"""Encoded speech on its way to a listener."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import structlog

from speechhub.errors import SpeechhubError
from speechhub.services.backlog import Backlog

log = structlog.get_logger()


class SpeechStream:
    """Encoded speech on its way to one listener; close it when the listener leaves.

    The engine runs ahead of a slow listener, so that no listener ever holds it. What waits is bounded: it is
    at most the speech of one answer, and all but a little of it lies in a file.
    """

    def __init__(self, backlog: Backlog, producer: asyncio.Task[float], said: Sequence[str] = ()) -> None:
        """Take over *backlog* and its *producer*, which fills it and returns the seconds it spoke.

        Args:
            backlog: Where the bytes come from.
            producer: Fills it.
            said: Lines that the producer adds before its first bytes.
        """
        self._backlog = backlog
        self._said = said
        self._producer = producer
        self._first: bytes | None = None
        self.spoken_s = 0.0
        """Length of the speech, in seconds, once the stream has ended."""

    @property
    def text(self) -> str:
        """What is said, line by line; known once the stream has begun."""
        return "\n".join(self._said)

    @property
    def size_bytes(self) -> int | None:
        """How many bytes the speech has, where all of it was there before the first could be read."""
        return self._backlog.whole_bytes

    async def begin(self) -> None:
        """Wait for the first bytes; raise what went wrong if there are none."""
        self._first = await self._backlog.get()
        if self._first is None:
            await self._producer

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        data = self._first
        while data is not None:
            yield data
            data = await self._backlog.get()
        try:
            self.spoken_s = await self._producer
        except SpeechhubError as error:
            log.error("speech broke off", error=type(error).__name__, reason=str(error))
            raise  # a failure after the first byte must break the response, not end it well

    async def aclose(self) -> None:
        """Stop speaking; return when the engine's call is over or abandoned."""
        self._producer.cancel()
        try:
            await asyncio.gather(self._producer, return_exceptions=True)
        finally:
            self._backlog.close()

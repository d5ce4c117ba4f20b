"""Prefetched streams: made ahead of one listener, and read at the listener's pace."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, Protocol, Self, TypeVar

import structlog

from speechhub.errors import SpeechhubError

log = structlog.get_logger()

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Buffer(Protocol[T_co]):
    """Items that were made and not read yet; one producer adds them, one listener takes them."""

    async def get(self) -> T_co | None:
        """Return the next item as soon as there is one; None at the end."""
        ...

    def end(self) -> None:
        """Say that no more will come."""
        ...

    def close(self) -> None:
        """Forget what was not read; nothing may be added or taken any more."""
        ...


class MemoryBuffer(Generic[T]):
    """Items that wait in memory, however many they are: for what is small, such as text."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[T | None] = asyncio.Queue()

    def put(self, item: T) -> None:
        """Add *item*; does not wait for the listener."""
        self._items.put_nowait(item)

    async def get(self) -> T | None:
        """Return the next item as soon as there is one; None at the end."""
        return await self._items.get()

    def end(self) -> None:
        """Say that no more will come."""
        self._items.put_nowait(None)

    def close(self) -> None:
        """Forget what was not read."""
        self._items = asyncio.Queue()


class PrefetchedStream(Generic[T]):
    """Iterates what a producer makes for one listener; close it when the listener leaves.

    The producer runs ahead of a slow listener, so that no listener ever holds an engine.
    """

    def __init__(self, items: Buffer[T], produce: Callable[[], Awaitable[None]], *, what: str) -> None:
        """Start the producer.

        Args:
            items: Where the items come from; closed with the stream.
            produce: Adds all items; what it raises, the listener gets after them.
            what: Names the stream in the log, such as ``speech``.
        """
        self._items = items
        self._what = what
        self._first: T | None = None
        self._opened = False
        self._producer = asyncio.create_task(self._produce(produce))

    async def opened(self) -> Self:
        """Return this stream once its first item exists: whatever can be refused was refused.

        Raises:
            SpeechhubError: What went wrong before it; the stream is closed then.
        """
        try:
            self._first = await self._items.get()
            self._opened = True
            if self._first is None:
                await self._producer
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        item = self._first if self._opened else await self._items.get()
        begun = item is not None
        while item is not None:
            yield item
            item = await self._items.get()
        try:
            await self._producer
        except SpeechhubError as error:
            if begun:  # what was refused before is told of as any refusal is
                name = type(error).__name__
                log.error("stream broke off", stream=self._what, error=name, reason=str(error))
            raise  # a failure after the first item must break the answer, not end it well

    async def aclose(self) -> None:
        """Stop the producer; return when the engine's call is over or abandoned."""
        self._producer.cancel()
        try:
            await asyncio.gather(self._producer, return_exceptions=True)
        finally:
            self._items.close()

    async def _produce(self, produce: Callable[[], Awaitable[None]]) -> None:
        try:
            await produce()
        finally:
            self._items.end()

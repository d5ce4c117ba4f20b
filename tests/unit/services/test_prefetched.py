"""A prefetched stream runs ahead of its listener, and tells it how the work ended."""

import asyncio

import pytest
import structlog

from speechhub.errors import EngineError, QueueFullError
from speechhub.services.prefetched import MemoryBuffer, PrefetchedStream


class Work:
    """Adds items until it is done, fails or is cancelled."""

    def __init__(self, *made, error=None, hangs=False):
        self.items = MemoryBuffer()
        self.made, self.error, self.hangs = made, error, hangs
        self.done = self.cancelled = False

    async def __call__(self):
        try:
            for item in self.made:
                self.items.put(item)
            if self.hangs:
                await asyncio.Event().wait()
            if self.error:
                raise self.error
            self.done = True
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def stream(self):
        return PrefetchedStream(self.items, self, what="work")


async def test_the_work_ends_however_slow_the_listener_is():
    """When the first item exists the producer goes on by itself; nothing is lost."""
    work = Work("a", "b", "c")

    stream = await work.stream().opened()

    assert work.done
    assert [item async for item in stream] == ["a", "b", "c"]
    await stream.aclose()


async def test_an_error_before_the_first_item_is_raised_at_once():
    """So the answer can still have a status of its own."""
    work = Work(error=EngineError("broken"))

    with pytest.raises(EngineError, match="broken"):
        await work.stream().opened()


async def test_a_refusal_of_a_stream_that_is_not_waited_for_breaks_nothing_off():
    """It is no failure of the server, and the log's line of the request has it."""
    stream = Work(error=QueueFullError("many wait")).stream()

    with structlog.testing.capture_logs() as logs, pytest.raises(QueueFullError):
        await anext(aiter(stream))
    await stream.aclose()

    assert logs == []


async def test_an_error_after_the_first_item_breaks_the_stream():
    """The listener gets what was made, then the error; the log has it, too."""
    stream = await Work("a", error=EngineError("broken")).stream().opened()
    pieces = aiter(stream)
    heard = [await anext(pieces)]

    with structlog.testing.capture_logs() as logs, pytest.raises(EngineError, match="broken"):
        await anext(pieces)
    await stream.aclose()

    assert heard == ["a"]
    assert [(line["event"], line["stream"]) for line in logs] == [("stream broke off", "work")]


async def test_closing_the_stream_stops_the_work():
    """A listener that leaves takes the producer along."""
    work = Work("a", hangs=True)
    stream = await work.stream().opened()

    await stream.aclose()

    assert work.cancelled


async def test_a_listener_that_leaves_before_the_first_item_stops_the_work():
    """The stream that it would have got is closed."""
    work = Work(hangs=True)
    opening = asyncio.create_task(work.stream().opened())
    for _ in range(3):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)

    assert work.cancelled

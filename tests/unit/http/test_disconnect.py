"""Work that ends with its client."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from speechhub.http.disconnect import closed_with, while_connected


class Connected:
    """A request whose client stays."""

    async def receive(self):
        await asyncio.Event().wait()


class Stream:
    closed = False

    async def aclose(self):
        self.closed = True


@pytest.mark.parametrize("rounds", range(1, 5))
@pytest.mark.anyio
async def test_a_stream_is_closed_whenever_its_request_is_cancelled(rounds):
    """Above all in the moment in which it is open, and the request has not got it yet."""
    stream, go = Stream(), asyncio.Event()

    async def opening():
        await go.wait()
        return stream

    async with AsyncExitStack() as stack:
        asking = asyncio.create_task(while_connected(Connected(), closed_with(stack, opening())))
        await asyncio.sleep(0.01)
        go.set()
        for _ in range(rounds):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    assert stream.closed

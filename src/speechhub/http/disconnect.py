"""Work that stops when its client leaves.

Litestar and Granian let a plain handler run to its end when the client closes the connection; handlers that
do expensive work watch for it here.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar

from speechhub.errors import RequestCancelledError
from speechhub.http.context import HttpRequest

ResultT = TypeVar("ResultT")


class Closable(Protocol):
    """Anything that runs until it is closed."""

    async def aclose(self) -> None:
        """Stop, and release everything."""
        ...


ClosableT = TypeVar("ClosableT", bound=Closable)


async def while_connected(request: HttpRequest, work: Awaitable[ResultT]) -> ResultT:
    """Await *work*, and cancel it as soon as the client leaves.

    Args:
        request: Its body must have been read to the end.
        work: Not started yet, or a task.

    Raises:
        RequestCancelledError: The client left first.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RequestCancelledError("The client closed the connection.")
        return task.result()
    finally:
        watcher.cancel()
        task.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


async def closed_with(stack: AsyncExitStack, opening: Awaitable[ClosableT]) -> ClosableT:
    """Return what *opening* returns, and have *stack* close it.

    This happens within the work: a request that is cancelled just as the work is done gets no result.
    """
    opened = await opening
    stack.push_async_callback(opened.aclose)
    return opened


async def _disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""Stops work whose client has left.

Litestar and Granian let a plain handler run to its end when the client closes the connection: whoever
does work that costs something watches for it here.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from litestar import Request
from litestar.datastructures import State

from speechhub.errors import RequestCancelledError

ResultT = TypeVar("ResultT")


async def while_connected(request: Request[None, None, State], work: Awaitable[ResultT]) -> ResultT:
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


async def _disconnected(request: Request[None, None, State]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

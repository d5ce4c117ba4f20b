"""Whether a worker that has a call is still alive: an engine can hang where no Python of ours runs."""

import asyncio
from typing import Final

from speechhub.worker.conversation import Conversation

INTERVAL_S: Final = 1.0
"""Between two questions."""


async def until_silent(conversation: Conversation, *, timeout_s: float) -> None:
    """Return when the worker has a call and has not answered for *timeout_s*.

    The worker answers from a thread beside the engine's, which runs unless native code holds the
    interpreter's lock. Questions are counted, not seconds: whatever holds up the hub itself, a stopped
    process or a sleeping machine, holds up the count as well and kills nobody.
    """
    unanswered = 0
    pong: asyncio.Future[None] | None = None
    while unanswered * INTERVAL_S < timeout_s:
        await asyncio.sleep(INTERVAL_S)
        if pong is not None and not pong.done():
            unanswered += 0 if conversation.paused else 1
        else:
            unanswered = 0
            pong = conversation.send_ping() if conversation.current is not None else None

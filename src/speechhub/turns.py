"""Whose work begins next: a burst of it holds up neither what is under way nor a sign of life."""

import asyncio
from collections import deque


class Turns:
    """Lets one piece of work begin with each round of the event loop, and those who want it in turns.

    The event loop runs everything that is ready before it looks for what is new. Where a thousand pieces
    begin at a time, each step of anything else would wait for a thousand steps of theirs.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._taken = False

    async def take(self, who: str = "") -> None:
        """Wait until work of *who* may begin; nobody waits while nobody else does."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._pass_on, loop)
            return
        turn = loop.create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        await turn

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the next turn to whom has waited longest since the last one."""
        while self._waiting:
            who = next(iter(self._waiting))
            theirs = self._waiting.pop(who)
            turn = theirs.popleft()
            if theirs:
                self._waiting[who] = theirs  # behind all others
            if not turn.done():  # whoever waited may be gone
                turn.set_result(None)
                loop.call_soon(self._pass_on, loop)
                return
        self._taken = False

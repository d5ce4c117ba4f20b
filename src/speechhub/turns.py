"""Turns for starting work, so that a burst of it delays neither running work nor health checks."""

import asyncio
from collections import deque


class Turns:
    """Lets one piece of work begin in each round of the event loop, and callers take turns.

    The event loop runs everything that is ready before it looks for new events. If a thousand pieces of work
    began at once, each step of any other work would wait for a thousand of their steps.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._taken = False
        self.waiting = 0
        """How many wait, including those cancelled meanwhile."""

    def waits(self, who: str) -> bool:
        """Tell whether work of *who* is waiting."""
        return who in self._waiting

    async def take(self, who: str = "") -> None:
        """Wait until work of *who* may begin; the first of a round does not wait."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._pass_on, loop)
            return
        turn = loop.create_future()
        self.waiting += 1
        self._waiting.setdefault(who, deque()).append(turn)
        await turn

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the next turn to the caller whose last turn was longest ago."""
        while self._waiting:
            who = next(iter(self._waiting))
            theirs = self._waiting.pop(who)
            turn = theirs.popleft()
            self.waiting -= 1
            if theirs:
                self._waiting[who] = theirs  # after all others
            if not turn.done():  # a cancelled request needs no turn
                turn.set_result(None)
                loop.call_soon(self._pass_on, loop)
                return
        self._taken = False

"""Turns for work that begins: a burst of it holds up neither running work nor signs of life."""

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
        self.waiting = 0
        """How many wait, those who left meanwhile among them."""

    def waits(self, who: str) -> bool:
        """Tell whether some of the work that waits is *who*'s."""
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
        """Give the next turn to the one whose last turn was longest ago."""
        while self._waiting:
            who = next(iter(self._waiting))
            theirs = self._waiting.pop(who)
            turn = theirs.popleft()
            self.waiting -= 1
            if theirs:
                self._waiting[who] = theirs  # behind all others
            if not turn.done():  # a request that was cancelled needs no turn
                turn.set_result(None)
                loop.call_soon(self._pass_on, loop)
                return
        self._taken = False

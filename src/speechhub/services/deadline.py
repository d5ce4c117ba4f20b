"""Deadline of a request: when its wait, and when all of it, is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from speechhub.errors import RequestTimeoutError

LAST_WORD_S: Final = 0.1
"""How much later a request ends than its wait does, so that a refusal can still say when to try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The end of one request's time."""

    limit_s: float
    at: float
    """The end of waiting, by the event loop's clock."""

    @classmethod
    def within(cls, wanted_s: float | None, longest_s: float) -> Self:
        """Return the deadline of a request that begins now.

        Args:
            wanted_s: How long the client will wait; None if it does not say.
            longest_s: How long the server lets any request take.
        """
        limit_s = longest_s if wanted_s is None else min(wanted_s, longest_s)
        return cls(limit_s=limit_s, at=asyncio.get_running_loop().time() + limit_s)

    @asynccontextmanager
    async def kept(self, what: str) -> AsyncIterator[None]:
        """End the block when the time is over.

        Args:
            what: For people, such as ``The transcription``.

        Raises:
            RequestTimeoutError: It was.
        """
        try:
            async with asyncio.timeout_at(self.at + LAST_WORD_S):
                yield
        except TimeoutError as error:
            raise RequestTimeoutError(f"{what} was not done after {self.limit_s:g} s.") from error

"""The sessions that are open on this server: how many there may be, and their end with the server's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from litestar.types import Scope

log = structlog.get_logger()

SESSIONS: Final = "sessions"
"""Where the application's state has its `OpenSessions`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How many sessions may be open, and for how long."""

    at_a_time: int
    """Sessions with a right key; as many more may be showing theirs."""
    idle_s: float
    """How long neither side may send anything."""
    longest_s: float
    finish_s: float
    """How long what was begun may take to be answered when the server stops."""


PARTING_S: Final = 5.0
"""How long all sessions may take to say their last words and close, after that."""


class OpenSessions:
    """Counts the open sessions, and ends them; one for the life of the application."""

    def __init__(self, limits: SessionLimits) -> None:
        self.limits = limits
        self.ending = False
        """Whether the server is stopping; further sessions are told so at once."""
        self._open: dict[object, Callable[[], None]] = {}
        """Session → what ends it."""
        self._admitted: set[object] = set()
        self._closed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, session: object, end: Callable[[], None], *, trusted: bool) -> bool:
        """Count a session; return whether there is room. One that got in must `leave`.

        Args:
            session: Stands for it.
            end: Called when the server stops; tells the session to end soon.
            trusted: Whether it has shown a right key, or needs none.
        """
        others = len(self._admitted) if trusted else len(self._open) - len(self._admitted)
        if others >= self.limits.at_a_time:
            return False
        self._open[session] = end
        if trusted:
            self._admitted.add(session)
        return True

    def admit(self, session: object) -> bool:
        """Count an open session among those with a right key; return whether there is room."""
        if session not in self._admitted and len(self._admitted) >= self.limits.at_a_time:
            return False
        self._admitted.add(session)
        return True

    def leave(self, session: object) -> None:
        """Forget a session."""
        self._open.pop(session, None)
        self._admitted.discard(session)
        self._closed.set()

    async def end(self) -> None:
        """Tell every session that the server stops; return when all are closed."""
        self.ending = True
        for end in list(self._open.values()):
            end()
        try:
            async with asyncio.timeout(self.limits.finish_s + PARTING_S):
                while self._open:
                    self._closed.clear()
                    await self._closed.wait()
        except TimeoutError:
            log.warning("sessions are cut off", sessions=len(self._open))


def sessions_of(scope: Scope) -> OpenSessions:
    """Return the open sessions of the application that answers a request."""
    found: OpenSessions = scope["litestar_app"].state[SESSIONS]
    return found

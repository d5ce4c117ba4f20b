"""Whose request begins next: those of one caller, or of one kind, hold up no other's."""

from typing import Final

from litestar.types import Scope

from speechhub.http.limits import network_of
from speechhub.turns import Turns

HEALTH: Final = "/health"
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestTurns:
    """The turns of all requests; those for signs of life, reading and work do not wait for each other."""

    def __init__(self) -> None:
        self._health, self._reading, self._work = Turns(), Turns(), Turns()

    async def take(self, scope: Scope) -> None:
        """Wait until a request may begin."""
        await self._turns(scope).take(network_of(scope))

    def _turns(self, scope: Scope) -> Turns:
        if scope["path"].startswith(HEALTH):
            return self._health
        return self._reading if scope.get("method") in READING else self._work

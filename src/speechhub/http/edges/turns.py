"""Turns: the requests of one caller, or of one kind, do not hold up those of others."""

from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import ServerBusyError
from speechhub.http.edges.limits import network_of
from speechhub.turns import Turns

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_WAITING: Final = 1000
"""Requests for work that may wait. Each keeps a connection, even if its client has left, which the server
notices only once the request begins. That many begin within a second or two. Lists and probes have no limit:
answering one takes no longer than refusing it."""


def in_turns(app: ASGIApp, probes: tuple[str, ...]) -> ASGIApp:
    """Wrap *app*: one request of a kind begins with each round of the event loop, callers in turns.

    Signs of life, reading and work do not wait for each other.

    Args:
        app: What answers.
        probes: What the paths of signs of life begin with.

    Raises:
        ServerBusyError: From the wrapped application: too many requests for work wait, some of them the
            caller's.
    """
    health, reading, work = Turns(), Turns(), Turns()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(probes):
            turns = health
        else:
            turns = reading if scope.get("method") in READING else work
        caller = network_of(scope)
        if turns is work and turns.waiting >= MOST_WAITING and turns.waits(caller):
            raise ServerBusyError
        await turns.take(caller)
        await app(scope, receive, send)

    return wrapped

"""Whose request begins next: those of one caller, or of one kind, hold up no other's."""

from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import ServerBusyError
from speechhub.http.edges.limits import network_of
from speechhub.turns import Turns

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_WAITING: Final = 1000
"""Requests for work that wait. Each keeps a connection, even if its client has left, which the server sees
only once the request begins. So many begin within a second or two; a list takes no longer than a refusal."""


def in_turns(app: ASGIApp, probes: tuple[str, ...]) -> ASGIApp:
    """Wrap *app*: one request of a kind begins with each round of the event loop, callers in turns.

    Signs of life, reading and work do not wait for each other.

    Args:
        app: What answers.
        probes: What the paths of signs of life begin with.

    Raises:
        ServerBusyError: From the wrapped application: very much work waits, some of the caller's among it.
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

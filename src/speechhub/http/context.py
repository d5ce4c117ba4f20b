"""A request's context: what edges and handlers know about one request."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.types import Scope

from speechhub.errors import SpeechhubError
from speechhub.services.account import Holding

HttpRequest = Request[None, None, State]
"""Litestar's request, of an application without users and sessions."""

HUB: Final = "hub"
"""Under which the application's state has its `Hub`; handlers name an argument like this."""
KEY: Final = "context"
"""Where ``scope["state"]`` has the context."""


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One request, from its first byte until its response is over or abandoned.

    `request_scope`, the edge around all others, makes it; each field is set by the edge that its docstring
    names, and keeps its default where the request did not get that far.
    """

    request_id: str
    path: str
    """The path that the client asked for, before `with_aliases`; decoded, without the query."""
    exit_stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Closed when the response is over or abandoned."""
    log: dict[str, object] = field(default_factory=dict)
    """Further entries of the request's line in the log."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of the response."""
    started: bool = False
    """Whether the response has begun."""
    error: str | None = None
    """Class of the error that the answer reports, for the log."""
    deployment: str | None = None
    """Azure's name of the model, where the path has one (`with_aliases`)."""
    is_groq: bool = False
    """Whether the path is one of Groq's (`with_aliases`)."""
    trusted: bool = False
    """Whether the caller may see everything (`authenticated`)."""
    shown: bool = False
    """Whether the caller has sent a key, right or wrong (`authenticated`)."""
    operator: bool = False
    """Whether the caller may operate the server (`authenticated`)."""
    key: int | None = None
    """Number of the caller's API key, counted from 1; None without one (`authenticated`)."""
    secret: object | None = None
    """What a client secret stands for, if the caller shows one (`authenticated`); WebSockets only."""
    admit: Callable[[bytes], bool] = lambda _: False
    """Checks a key that comes later, over the socket; if it is right, sets `trusted`, `key` and `operator`,
    and returns True (`authenticated`)."""
    take: Callable[[], None] = lambda: None
    """Counts work in the caller's requests per minute, for a socket on which many are made; raises
    RateLimitedError beyond them (`limited`)."""
    refusal: SpeechhubError | None = None
    """Why a socket that was let in, so that its client learns it, is refused (`limited`)."""
    holding: Holding = field(init=False)
    """What the request holds of memory and disk (`bodies_accounted`)."""
    route: str | None = None
    """Template of the path of the route that was found; None if there is none."""
    body: Any = msgspec.UNSET
    """The JSON body, once it was read."""


def context_of(connection: Scope | ASGIConnection[Any, Any, Any, Any]) -> RequestContext:
    """Return the context of a request, from its scope or from Litestar's object.

    Raises:
        KeyError: The request did not come through `request_scope`.
    """
    scope = connection.scope if isinstance(connection, ASGIConnection) else connection
    context: RequestContext = scope["state"][KEY]
    return context

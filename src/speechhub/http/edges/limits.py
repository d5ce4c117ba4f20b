"""Limits for each caller, before its request's body is read."""

from collections.abc import Callable
from contextlib import ExitStack

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import RateLimitedError
from speechhub.http.context import context_of
from speechhub.http.facts import RouteTable, Workload
from speechhub.services.callers import Callers, Quota, caller_at


def limited(app: ASGIApp, routes: RouteTable, callers: Callers) -> ASGIApp:
    """Wrap *app*: refuse work from callers beyond their limits, before their body is read.

    Args:
        app: What does the work.
        routes: Which of its routes are work, and which are uploads; of both, POST alone counts. A WebSocket
            counts as one request at a time, for as long as it is open. What is asked over it counts in the
            minute, by the context's ``take``; one too many is let in with the context's ``refusal``, because
            only a message tells its client why.
        callers: Their limits.

    Raises:
        RateLimitedError: From the wrapped application.
    """
    is_busy = routes.where("POST", lambda facts: facts.workload is not Workload.LIGHT)
    is_work = routes.where("POST", lambda facts: facts.workload is Workload.ENGINE)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        opens_socket = scope["type"] == ScopeType.WEBSOCKET
        if not (opens_socket or _posts(scope, is_busy)):
            await app(scope, receive, send)
            return
        context = context_of(scope)
        if opens_socket:
            context.take = lambda: _take(callers, scope)
        with ExitStack() as running:
            try:
                running.enter_context(callers.running(caller_of(scope)))
            except RateLimitedError as refusal:
                if not opens_socket:
                    raise
                context.refusal = refusal
            if _posts(scope, is_work):
                _take(callers, scope)
            await app(scope, receive, send)

    return wrapped


def _take(callers: Callers, scope: Scope) -> None:
    def note(quota: Quota) -> None:
        context_of(scope).headers |= quota.headers()

    callers.take(caller_of(scope), note=note)


def caller_of(scope: Scope) -> str:
    """Return the caller: the number of its API key, or else its network."""
    number = context_of(scope).key
    return f"key {number}" if number else network_of(scope)


def network_of(scope: Scope) -> str:
    """Return where a request comes from: an address, for IPv6 the network around it."""
    client = scope.get("client")
    return caller_at(client[0]) if client else "unknown"


def _posts(scope: Scope, wanted: Callable[[str], bool]) -> bool:
    return scope["type"] == ScopeType.HTTP and scope["method"] == "POST" and wanted(scope["path"])

"""Aliases of paths, replaced before the routes see them, and paths of other versions, refused."""

from typing import Final
from urllib.parse import parse_qs

from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.http.aliases import REALTIME, VERSIONED, resolve
from speechhub.http.context import context_of
from speechhub.http.near import UnknownVersionError, entered_twice

PAGES: Final = "/v2/voices"
"""The only route of another version: ElevenLabs'."""


def with_aliases(app: ASGIApp) -> ASGIApp:
    """Wrap *app*: replace aliases, so that it sees only the paths that its routes have.

    Sets the context's ``deployment``, the model where the body names none, and ``is_groq``.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        target, context = resolve(scope["path"]), context_of(scope)
        context.deployment, context.is_groq = target.deployment, target.is_groq
        if target.path == REALTIME:  # Azure has two forms; the other is `?api-version=…&deployment=M`
            named = parse_qs(scope["query_string"].decode(errors="replace")).get("deployment")
            context.deployment = named[0] if named else target.deployment
        # A copy: the log has the path that the client asked for.
        inner: Scope = {**scope, "path": target.path}  # type: ignore[assignment]
        await app(inner, receive, send)

    return wrapped


def versions_refused(app: ASGIApp) -> ASGIApp:
    """Wrap *app*, which has only v1 of the API: refuse paths of other versions, with advice.

    Raises:
        UnknownVersionError: From the wrapped application.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        found = VERSIONED.fullmatch(scope["path"])
        known = scope["path"] == PAGES or scope.get("method") == "OPTIONS"  # a preflight gets no error
        if found and found["version"] != "v1" and not known:
            rest = found["rest"] or ""
            raise UnknownVersionError(found["version"], entered_twice(rest) or f"/v1{rest}")
        await app(scope, receive, send)

    return wrapped

"""Paths that clients use → paths that routes have.

OpenAI's paths begin with ``/v1``. Clients whose base URL lacks it, clients of Azure and clients of Groq use
other paths; here they are mapped to the same routes.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.http.context import context_of
from speechhub.http.near import UnknownVersionError, entered_twice

REALTIME: Final = "/v1/realtime"
_SLASHES: Final = re.compile("/{2,}")
_VERSIONED: Final = re.compile(r"(?:/openai)?/(?P<version>v\d[\w.-]*)(?P<rest>/.*)?")
_UNVERSIONED: Final = re.compile(
    r"(?:/openai)?(?P<rest>/(?:audio|models|realtime|text-to-speech|voices)(?:/.*)?)"
)
_TWICE: Final = re.compile(r"/v1(?P<rest>/v\d/(?:text-to-speech|voices)(?:/.*)?)")
"""Where a client of ElevenLabs, which adds the version itself, has a base URL with one."""
PAGES: Final = "/v2/voices"
"""The only route of another version: ElevenLabs'."""
_DEPLOYMENT: Final = re.compile(
    r"/openai/deployments/(?P<deployment>.+)(?P<rest>/audio/(?:transcriptions|translations|speech)|/realtime)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path means."""

    path: str
    """The path of the route; the path as requested, without extra slashes, if it is no alias."""
    deployment: str | None = None
    """Azure's name of the model, if the path has one."""
    is_groq: bool = False
    """Whether the path is one of Groq's, ``/openai/v1/…``, which newer clients of Azure use too."""


def resolve(path: str) -> Target:
    """Return what a path means.

    Args:
        path: Decoded, without the query.
    """
    path = _SLASHES.sub("/", path).rstrip("/") or "/"
    if found := _TWICE.fullmatch(path):
        path = found["rest"]
    if found := _DEPLOYMENT.fullmatch(path):
        return Target(path="/v1" + found["rest"], deployment=found["deployment"])
    if found := _UNVERSIONED.fullmatch(path):
        return Target(path="/v1" + found["rest"])
    if (found := _VERSIONED.fullmatch(path)) and found["version"] == "v1":
        rest: str = found["rest"] or ""
        # Clients warm up on their base URL, which is then the root.
        return Target(path=f"/v1{rest}" if rest else "/", is_groq=path.startswith("/openai/"))
    return Target(path=path)


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
        found = _VERSIONED.fullmatch(scope["path"])
        known = scope["path"] == PAGES or scope.get("method") == "OPTIONS"  # a preflight gets no error
        if found and found["version"] != "v1" and not known:
            rest = found["rest"] or ""
            raise UnknownVersionError(found["version"], entered_twice(rest) or f"/v1{rest}")
        await app(scope, receive, send)

    return wrapped

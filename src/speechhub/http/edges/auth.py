"""API keys, in the headers that OpenAI's and Azure's clients use.

Open without a key are the root page with its parts, the probes under ``/health`` and, where pages of other
origins may call, browsers' preflights. Everything else needs a key, WebSockets too, and also paths that do
not exist, so that strangers cannot explore the server.
"""

import hmac
from collections.abc import Iterable
from hashlib import sha256

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import AuthenticationError, InvalidApiKeyError
from speechhub.http.context import context_of
from speechhub.settings import Secret


class ApiKeys:
    """The keys of clients, of which only digests are kept; lives as long as the application."""

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._digests = tuple(_digest(key.reveal().encode()) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def number_of(self, key: bytes) -> int | None:
        """Return which key this is, counted from 1, or None.

        Takes the same time whether the key is wrong, nearly right or right: digests are equally long, and
        all of them are compared.
        """
        digest = _digest(key)
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return matches.index(True) + 1 if any(matches) else None


def authenticated(
    app: ASGIApp,
    keys: ApiKeys,
    *,
    open_paths: frozenset[str],
    operators: ApiKeys | None = None,
    preflights: bool = False,
) -> ASGIApp:
    """Wrap *app*: let in callers that have a key, or every caller if there are no keys, or the path is open.

    Sets the context's ``trusted``, ``key`` and ``operator``; the last is for an operator's key or, where the
    server has none, for every caller that is trusted. The body of a refused request is never read.

    Args:
        app: What answers.
        keys: Those of clients; empty if the server has none.
        open_paths: What GET needs no key for: what probes and warm-ups ask for, and the page that asks for
            the key, with its parts.
        operators: Those of operators.
        preflights: Whether browsers' preflights are let in.

    Raises:
        AuthenticationError: From the wrapped application: no key, or a wrong one.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        shown = credentials(scope)
        number = next(filter(None, map(keys.number_of, shown)), None)
        leads = operators is not None and any(map(operators.number_of, shown))
        trusted = not keys or number is not None or leads
        is_open = _is_open(scope, open_paths) or (preflights and _is_preflight(scope))
        if not (trusted or is_open):
            raise InvalidApiKeyError if shown else AuthenticationError
        context = context_of(scope)
        context.trusted, context.key = trusted, number
        context.operator = leads if operators else trusted
        await app(scope, receive, send)

    return wrapped


def credentials(scope: Scope) -> list[bytes]:
    """Return the keys that a request sends; an empty one, as some clients send it, does not count."""
    found: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                found.append(key.strip())
        elif name == b"api-key":
            found.append(value.strip())
    return [key for key in found if key]


def _is_open(scope: Scope, paths: frozenset[str]) -> bool:
    if scope["type"] != ScopeType.HTTP:
        return False
    return scope["method"] == "GET" and scope["path"] in paths


def _is_preflight(scope: Scope) -> bool:
    """Return whether this is a browser's preflight, which cannot carry a key; the answer reveals no route."""
    names = {name for name, _ in scope["headers"]}
    asked = {b"origin", b"access-control-request-method"} <= names
    return scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS" and asked


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()

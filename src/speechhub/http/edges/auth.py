"""API keys, in the headers of OpenAI's, Azure's and ElevenLabs' clients, and in subprotocols of WebSockets.

Open without a key are the root page with its parts, the probes under ``/health`` and, where pages of other
origins may call, browsers' preflights. Everything else needs a key, WebSockets too, and also paths that do
not exist, so that strangers cannot explore the server.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import AuthenticationError, InvalidApiKeyError
from speechhub.http.client_secrets import PREFIX, ClientSecrets
from speechhub.http.context import context_of
from speechhub.services.replicas import SharedSecret
from speechhub.settings import Secret

HEADERS: Final = frozenset({b"api-key", b"xi-api-key"})
"""Headers that hold a key and nothing else: Azure's and ElevenLabs'."""
SUBPROTOCOL: Final = "openai-insecure-api-key."
"""What a subprotocol begins with that is a key. Source: OpenAI's guide to the Realtime API."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the keys of a request prove."""

    any: bool
    """Whether there are any."""
    trusted: bool
    """Whether they open the server, or it needs none."""
    proven: bool
    """Whether one of them is known to the server."""
    number: int | None = None
    leads: bool = False
    """Whether one of them is an operator's."""
    secret: SharedSecret | None = None


class Keyring:
    """All that opens the server: keys of clients and of operators, and client secrets."""

    def __init__(
        self, keys: ApiKeys, operators: ApiKeys | None = None, secrets: ClientSecrets | None = None
    ) -> None:
        self._keys = keys
        self.operators = operators
        self._secrets = ClientSecrets() if secrets is None else secrets

    def judge(self, shown: list[bytes], *, is_socket: bool) -> Shown:
        """Return what keys prove; a client secret proves something for a WebSocket only.

        A secret that has expired opens no WebSocket, not even where no key is needed: its client expects the
        session that the secret was made for.
        """
        number = next(filter(None, map(self._keys.number_of, shown)), None)
        leads = self.operators is not None and any(map(self.operators.number_of, shown))
        secret = next(filter(None, map(self._secrets.find, shown)), None) if is_socket else None
        proven = number is not None or leads or secret is not None
        stale = is_socket and any(key.startswith(PREFIX.encode()) for key in shown)
        return Shown(
            any=bool(shown),
            trusted=proven or not (self._keys or stale),
            proven=proven,
            number=number or (secret.key if secret else None),
            leads=leads,
            secret=secret,
        )

    def proves(self, scope: Scope) -> bool:
        """Return whether a WebSocket's handshake shows a key that the server knows."""
        is_socket = scope["type"] == ScopeType.WEBSOCKET
        return is_socket and self.judge(credentials(scope), is_socket=True).proven


def authenticated(
    app: ASGIApp,
    keyring: Keyring,
    *,
    open_paths: frozenset[str],
    is_socket: Callable[[str], bool] = lambda _: False,
    preflights: bool = False,
) -> ASGIApp:
    """Wrap *app*: let in callers that have a key, or every caller if there are no keys, or the path is open.

    Sets the context's ``trusted``, ``shown``, ``key``, ``secret`` and ``operator``; the last is for an
    operator's key or, where the server has none, for every caller that is trusted, but not for a client
    secret. The body of a refused request is never read. A WebSocket is let in without a key, as OpenAI does
    it: clients learn only from a message why they are refused, so its handler sends one.

    Args:
        app: What answers.
        keyring: What opens the server.
        open_paths: What GET needs no key for: what probes and warm-ups ask for, and the page that asks for
            the key, with its parts.
        is_socket: Whether a WebSocket is at a path.
        preflights: Whether browsers' preflights are let in.

    Raises:
        AuthenticationError: From the wrapped application: no key, or a wrong one.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        opens_socket = scope["type"] == ScopeType.WEBSOCKET
        shown = keyring.judge(credentials(scope), is_socket=opens_socket)
        is_open = _is_open(scope, open_paths) or (preflights and _is_preflight(scope))
        if not (shown.trusted or is_open or (opens_socket and is_socket(scope["path"]))):
            raise InvalidApiKeyError if shown.any else AuthenticationError
        context = context_of(scope)

        def note(found: Shown) -> None:
            context.trusted, context.key = found.trusted, found.number
            context.secret = found.secret.session if found.secret else None
            context.operator = found.leads if keyring.operators else found.trusted and not found.secret

        def admit(key: bytes) -> bool:
            found = keyring.judge([key], is_socket=True)
            if found.trusted:
                note(found)
            return found.trusted

        note(shown)
        context.shown, context.admit = shown.any, admit
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
        elif name in HEADERS:
            found.append(value.strip())
    if scope.get("type") == ScopeType.WEBSOCKET:  # pages cannot send headers, but offer subprotocols
        offered: Any = scope.get("subprotocols") or ()
        found += [it.removeprefix(SUBPROTOCOL).encode() for it in offered if it.startswith(SUBPROTOCOL)]
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

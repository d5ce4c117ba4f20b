"""Pages of other sites in browsers, known by ``Sec-Fetch-Site`` and ``Origin``.

A browser sends what any page requests to every address that the machine can reach, also to 127.0.0.1; it only
keeps the answer from the page. So the server does nothing for pages that the operator does not know.
Source: Go's ``net/http.CrossOriginProtection``, and Ollama for the origins of applications.
"""

from collections.abc import Callable
from typing import Final

from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import OriginNotAllowedError
from speechhub.http.context import context_of
from speechhub.http.facts import RouteTable
from speechhub.settings.expected import LONGEST_VALUE, shown

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
APPLICATIONS: Final = (
    "app",
    "file",
    "tauri",
    "vscode-webview",
    "vscode-file",
    "chrome-extension",
    "moz-extension",
    "ms-browser-extension",
    "safari-extension",
    "safari-web-extension",
)
"""Schemes of applications and browser extensions, which the user installed. No web page has them."""
TAURI: Final = frozenset({"http://tauri.localhost", "https://tauri.localhost"})
"""Tauri's applications on Windows and Android."""
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def from_known_pages(
    app: ASGIApp,
    cors: CORSConfig | None,
    routes: RouteTable,
    proves: Callable[[Scope], bool] = lambda _: False,
) -> ASGIApp:
    """Wrap *app*: refuse what a foreign page requests, before the body is read, unless it only reads.

    Programs send neither header and are let in. So are requests that only read, because the browser keeps
    their answers from the page, unless the route may load a model. A WebSocket's messages are not kept from
    the page, so it needs to be known, or to know a key: browsers send no key of their own accord.

    Args:
        app: What answers.
        cors: Pages that may call.
        routes: Those of *app*.
        proves: Whether a request shows that its page knows a key.

    Raises:
        OriginNotAllowedError: From the wrapped application.
    """
    works = routes.where("GET", lambda facts: facts.may_load)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if _does_something(scope, works) and not (is_known(scope, cors) or proves(scope)):
            origin = _header(scope, b"origin")
            context_of(scope).log["origin"] = origin[:LONGEST_VALUE]
            raise OriginNotAllowedError(shown(origin) if origin else None)
        await app(scope, receive, send)

    return wrapped


def is_known(scope: Scope, cors: CORSConfig | None) -> bool:
    """Return whether a request comes from a program, the server's own page, or one that may call."""
    site, origin = _header(scope, b"sec-fetch-site").lower(), _header(scope, b"origin")
    if site:
        same = site in ("same-origin", "none")  # none: the address bar, a bookmark, an extension
    else:
        same = not origin or _is_host(origin, _header(scope, b"host"))
    return same or _is_application(origin) or (cors is not None and cors.is_origin_allowed(origin))


def _does_something(scope: Scope, works: Callable[[str], bool]) -> bool:
    if scope["type"] != ScopeType.HTTP:
        return True
    return scope["method"] not in SAFE_METHODS or (scope["method"] != "OPTIONS" and works(scope["path"]))


def _header(scope: Scope, name: bytes) -> str:
    """Return a header; several are joined, so that they match nothing."""
    return ", ".join(value.decode("latin-1").strip() for key, value in scope["headers"] if key == name)


def _is_host(origin: str, host: str) -> bool:
    """Return whether an origin is the host that the request names; a default port may be written or not.

    The scheme does not count: behind a proxy with TLS the server does not know it.
    """
    scheme, _, place = origin.lower().partition("://")
    usual = DEFAULT_PORTS.get(scheme)
    return usual is not None and place.removesuffix(usual) == host.lower().removesuffix(usual) != ""


def _is_application(origin: str) -> bool:
    scheme, mark, _ = origin.partition("://")
    return origin in TAURI or (bool(mark) and scheme.lower() in APPLICATIONS)

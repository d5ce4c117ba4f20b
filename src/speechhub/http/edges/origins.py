"""The page that a browser's request comes from: ``Sec-Fetch-Site`` and ``Origin``.

A browser sends what any page asks for to whatever the machine reaches, also to 127.0.0.1; only the answer it
keeps from the page. So nothing may happen for pages that the operator does not know.
Source: Go's ``net/http.CrossOriginProtection``, and Ollama for the origins of applications.
"""

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
"""Schemes of what the user installed: applications and extensions of browsers. No web page has them."""
TAURI: Final = frozenset({"http://tauri.localhost", "https://tauri.localhost"})
"""Tauri's applications on Windows and Android."""
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def from_known_pages(app: ASGIApp, cors: CORSConfig | None, routes: RouteTable) -> ASGIApp:
    """Wrap *app*: refuse what a foreign page's browser asks to be done, before the body is read.

    Programs send neither header and are let in; so are reading requests, whose answers the browser keeps,
    unless their route may load a model.

    Raises:
        OriginNotAllowedError: From the wrapped application.
    """
    working_paths = routes.paths("GET", lambda facts: facts.may_load)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if _does_something(scope, working_paths) and not is_known(scope, cors):
            origin = _header(scope, b"origin")
            context_of(scope).log["origin"] = origin[:LONGEST_VALUE]
            raise OriginNotAllowedError(shown(origin) if origin else None)
        await app(scope, receive, send)

    return wrapped


def is_known(scope: Scope, cors: CORSConfig | None) -> bool:
    """Tell whether a request comes from a program, from the server's own page, or from one that may call."""
    site, origin = _header(scope, b"sec-fetch-site").lower(), _header(scope, b"origin")
    if site:
        same = site in ("same-origin", "none")  # none: the address bar, a bookmark, an extension
    else:
        same = not origin or _is_host(origin, _header(scope, b"host"))
    return same or _is_application(origin) or (cors is not None and cors.is_origin_allowed(origin))


def _does_something(scope: Scope, working_paths: frozenset[str]) -> bool:
    if scope["type"] != ScopeType.HTTP:
        return True
    return scope["method"] not in SAFE_METHODS or (
        scope["method"] != "OPTIONS" and scope["path"] in working_paths
    )


def _header(scope: Scope, name: bytes) -> str:
    """Return a header; several are one that means nothing."""
    return ", ".join(value.decode("latin-1").strip() for key, value in scope["headers"] if key == name)


def _is_host(origin: str, host: str) -> bool:
    """Tell whether an origin is the host that the request names; a port that goes without saying may be said.

    The scheme does not count: behind a proxy with TLS the server does not know it.
    """
    scheme, _, place = origin.lower().partition("://")
    usual = DEFAULT_PORTS.get(scheme)
    return usual is not None and place.removesuffix(usual) == host.lower().removesuffix(usual) != ""


def _is_application(origin: str) -> bool:
    scheme, mark, _ = origin.partition("://")
    return origin in TAURI or (bool(mark) and scheme.lower() in APPLICATIONS)

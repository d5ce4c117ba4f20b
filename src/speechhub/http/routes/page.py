"""GET /: one line of text for programs, and for browsers a page to try the server with."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from speechhub import __version__
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.facts import FACTS, RouteFacts
from speechhub.http.openapi.content import root_content
from speechhub.http.openapi.described import DESCRIBED, OWN, Described

HEADERS: Final = {
    # The page loads nothing from elsewhere, talks to this server alone, and cannot be framed.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; "
        "img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
    "vary": "Accept",
}

FOLDER: Final = files("speechhub.http") / "page"
MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}
PARTS: Final = frozenset(file.name for file in FOLDER.iterdir() if Path(file.name).suffix in MEDIA_TYPES)
PATHS: Final = frozenset(f"/page/{name}" for name in PARTS)
"""What the page is made of; it needs no key, because the page asks for the key."""
LINE: Final = (
    f"speechhub {__version__}: an OpenAI-compatible speech server. GET /v1/models lists its models.\n"
)


class PageController(Controller):
    """The root, and what its page is made of."""

    path = "/"
    tags = (OWN,)

    @get(
        "/",
        summary="Introduce the server",
        opt={FACTS: RouteFacts(is_open=True), DESCRIBED: Described(content=root_content)},
    )
    async def get_root(self, request: HttpRequest) -> Response[bytes]:
        """Introduce the server: with one line of text to programs, and with a page to browsers."""
        if "text/html" not in request.headers.get("accept", ""):
            return Response(LINE.encode(), media_type="text/plain", headers={"vary": "Accept"})
        if above := way_up(context_of(request).path):  # its parts would be asked for below that path
            headers = {"location": above, "cache-control": "no-cache", "vary": "Accept"}
            return Response(b"", status_code=307, media_type="text/plain", headers=headers)
        return _answer("index.html", "text/html")

    @get(
        "/page/{name:str}",
        include_in_schema=False,
        opt={FACTS: RouteFacts(is_open=True, is_quiet=True, paths=PATHS)},
    )
    async def get_part(self, name: FromPath[str]) -> Response[bytes]:
        """Return a part of the page: its style, or a module of its script."""
        if name not in PARTS:
            raise NotFoundException
        return _answer(name, MEDIA_TYPES[Path(name).suffix])


def way_up(path: str) -> str:
    """Return the way from *path* to the root, as an address of its own; empty where it is the root.

    It is relative, because a proxy may have put a prefix in front that is not seen here.
    """
    return "" if path == "/" else "../" * (path.count("/") - 1) or "./"


def _answer(name: str, media_type: str) -> Response[bytes]:
    return Response((FOLDER / name).read_bytes(), media_type=media_type, headers=HEADERS)

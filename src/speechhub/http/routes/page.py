"""GET /: one line for programs, and for browsers a page to try the server with."""

from importlib.resources import files
from typing import Any, Final

from litestar import Request, Response, get

from speechhub import __version__
from speechhub.http.openapi import OWN

HEADERS: Final = {
    # The page is whole in itself: it may load nothing from elsewhere, talk to nobody else, nor be framed.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; "
        "img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
    "vary": "Accept",
}


@get("/", summary="Say what this is", tags=[OWN])
async def get_root(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Say what this is: in one line to clients and probes, with a page to browsers."""
    if "text/html" in request.headers.get("accept", ""):
        return _answer("index.html", "text/html")
    line = f"speechhub {__version__}: an OpenAI-compatible speech server. GET /v1/models lists its models.\n"
    return Response(line.encode(), media_type="text/plain", headers={"vary": "Accept"})


@get("/page.css", include_in_schema=False)
async def get_style() -> Response[bytes]:
    """Return how the page looks."""
    return _answer("page.css", "text/css")


@get("/page.js", include_in_schema=False)
async def get_script() -> Response[bytes]:
    """Return what the page does."""
    return _answer("page.js", "text/javascript")


def _answer(name: str, media_type: str) -> Response[bytes]:
    content = (files("speechhub.http") / "page" / name).read_bytes()
    return Response(content, media_type=media_type, headers=HEADERS)

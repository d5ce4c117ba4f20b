"""Which requests come from a foreign page."""

import pytest
from litestar.config.cors import CORSConfig

from speechhub.errors import OriginNotAllowedError
from speechhub.http.context import KEY, RequestContext, context_of
from speechhub.http.edges.origins import from_known_pages, is_known
from speechhub.http.facts import RouteFacts, RouteTable

ROUTES = RouteTable(
    {
        ("GET", "/v1/audio/voices"): RouteFacts(may_load=True),
        ("GET", "/v1/audio/speech/voices"): RouteFacts(may_load=True),
        ("GET", "/v1/models"): RouteFacts(),
    }
)
CORS = CORSConfig(allow_origins=["https://a.example", "https://*.b.example"])


def scope(host="127.0.0.1:8000", *, method="POST", path="/v1/engines/load", **headers):
    pairs = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
        "state": {KEY: RequestContext(request_id="req_1", path=path)},
    }


@pytest.mark.parametrize(
    ("site", "known"),
    [
        ("same-origin", True),
        ("none", True),
        ("Same-Origin", True),
        ("same-site", False),
        ("cross-site", False),
        ("something-new", False),
    ],
)
@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:8000", "https://elsewhere.example", "null"])
def test_what_the_browser_says_of_the_site_decides_alone(site, known, origin):
    """A proxy may have changed the host; the browser knows what it was."""
    headers = {"sec_fetch_site": site} | ({"origin": origin} if origin else {})

    assert is_known(scope(**headers), CORS) is known


@pytest.mark.parametrize(
    ("origin", "host", "known"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("https://speech.example.org", "speech.example.org", True),
        ("https://speech.example.org", "speech.example.org:443", True),
        ("http://192.168.0.1", "192.168.0.1:80", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("http://127.0.0.1", "127.0.0.1:8000", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("https://evil.example", "127.0.0.1:8000", False),
        ("https://evil.example", "", False),
        ("http://", "", False),
        ("null", "null", False),
        ("ftp://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000.evil.example", "127.0.0.1:8000", False),
        ("nonsense", "nonsense", False),
    ],
)
def test_without_it_the_origin_must_be_the_host(origin, host, known):
    """Browsers tell the site only to hosts that they trust: not on a network without TLS."""
    assert is_known(scope(host, origin=origin), None) is known


@pytest.mark.parametrize("site", [None, "cross-site"])
@pytest.mark.parametrize(
    ("origin", "known"),
    [
        ("https://a.example", True),
        ("https://x.b.example", True),
        ("https://a.example.evil.example", False),
        ("https://b.example", False),
        ("http://a.example", False),
        ("app://obsidian.md", True),
        ("file://", True),
        ("tauri://localhost", True),
        ("http://tauri.localhost", True),
        ("http://tauri.localhost:8080", False),
        ("http://tauri.localhost.evil.example", False),
        ("vscode-webview://1a2b3c", True),
        ("vscode-file://vscode-app", True),
        ("chrome-extension://abcdef", True),
        ("moz-extension://abc-def", True),
        ("safari-web-extension://abc-def", True),
        ("https://chrome-extension", False),
        ("app:evil", False),
        ("null", False),
        ("", None),
    ],
)
def test_origins_that_may_call(site, origin, known):
    """Those of the setting, and applications and extensions that the user installed; no others."""
    headers = ({"sec_fetch_site": site} if site else {}) | ({"origin": origin} if origin else {})

    assert is_known(scope(**headers), CORS) is (site is None if known is None else known)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_star_lets_every_page_call(origin):
    """The operator said so."""
    assert is_known(scope(origin=origin, sec_fetch_site="cross-site"), CORSConfig(allow_origins=["*"]))


def test_programs_are_untouched():
    """Neither header, no question."""
    assert is_known(scope(), None)


@pytest.mark.parametrize("name", [b"origin", b"sec-fetch-site"])
def test_a_header_that_comes_twice_means_nothing(name):
    """What a browser never sends gets nothing."""
    given = scope()
    good = b"same-origin" if name == b"sec-fetch-site" else b"http://127.0.0.1:8000"
    given["headers"] += [(name, good), (name, good)]

    assert not is_known(given, CORS)


@pytest.mark.parametrize(
    ("method", "path", "let_in"),
    [
        ("GET", "/v1/models", True),
        ("HEAD", "/health", True),
        ("OPTIONS", "/v1/audio/speech", True),
        ("OPTIONS", "/v1/audio/voices", True),
        ("GET", "/v1/audio/voices", False),
        ("GET", "/v1/audio/speech/voices", False),
        ("POST", "/v1/audio/speech", False),
        ("DELETE", "/v1/audio/voices/x", False),
        ("PUT", "/nothing", False),
        ("ODD", "/nothing", False),
        ("post", "/nothing", False),
    ],
)
async def test_what_foreign_pages_may_ask(method, path, let_in):
    """What reads is the browser's to keep from them; what does something is refused here."""
    seen = []

    async def app(inner, receive, send):
        seen.append(inner)

    given = scope(method=method, path=path, origin="https://evil.example", sec_fetch_site="cross-site")
    if not let_in:
        with pytest.raises(OriginNotAllowedError, match=r"evil\.example.*cors_origins"):
            await from_known_pages(app, CORS, ROUTES)(given, None, None)
        assert "evil.example" in context_of(given).log["origin"]
    else:
        await from_known_pages(app, CORS, ROUTES)(given, None, None)

    assert len(seen) == let_in


async def test_a_foreign_pages_websocket_is_refused():
    """A handshake is a GET that browsers let every page make, and whose answer the page may read."""
    given = scope(origin="https://evil.example") | {"type": "websocket"}
    del given["method"]

    with pytest.raises(OriginNotAllowedError):
        await from_known_pages(None, None, ROUTES)(given, None, None)

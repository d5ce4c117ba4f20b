"""Sends requests to a running server."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from speechhub.errors import SpeechhubError

if TYPE_CHECKING:
    import httpx


_ADDRESS: Final = re.compile(r"([^:]*://[^/]*)(.*?)(?:/v1)?(?:/+(?:audio(?:/[\w/]*)?|models))?/*")
"""A server, a proxy's path prefix, and what may follow it: a client's base URL, or a route."""


class ServerError(SpeechhubError):
    """A running server refused, or did not answer."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        """The field of the request that is at fault, if the server says so."""


def own_address() -> str:
    """Return the address of a server that runs here with this machine's settings.

    Raises:
        ConfigurationError: A setting is wrong, or lets the system choose the port.
    """
    from speechhub.cli._settings import own_settings
    from speechhub.errors import ConfigurationError
    from speechhub.settings.hosts import reachable_url

    settings = own_settings()
    if not settings.port:
        raise ConfigurationError(
            "The setting port is 0, so the server listens on a free port: its log names it, in the line "
            "'listening'. Give that address with --url."
        )
    return reachable_url(settings.host, settings.port)


def of_replica(run: Callable[..., None]) -> Callable[..., None]:
    """Add the option that says which of several servers at one address is meant."""
    return click.option(
        "--replica", metavar="NAME", help="The server that is meant, where several answer at the address."
    )(run)


@contextmanager
def connected(url: str, api_key: str | None, replica: str | None = None) -> Iterator["httpx.Client"]:
    """Open a client for the server at *url*, with or without ``/v1`` at its end.

    Args:
        url: Its address.
        api_key: Key of its client.
        replica: Name of the server that is meant, where several answer there.

    Raises:
        ServerError: The server cannot be reached, or the connection broke.
    """
    import httpx

    with (
        _told(url),
        httpx.Client(**_options(url, api_key), transport=httpx.HTTPTransport(proxy=_proxy(url))) as client,
    ):
        if replica:
            client.params = client.params.set("replica", replica)
        yield client


@asynccontextmanager
async def connected_async(url: str, api_key: str | None) -> AsyncIterator["httpx.AsyncClient"]:
    """Like `connected`, for work that Ctrl-C can end at any point.

    Raises:
        ServerError: The server cannot be reached, or the connection broke.
    """
    import httpx

    with _told(url):
        transport = httpx.AsyncHTTPTransport(proxy=_proxy(url))
        async with httpx.AsyncClient(**_options(url, api_key), transport=transport) as client:
            yield client


def _proxy(url: str) -> str | None:
    """Return the proxy for requests to *url*; None for this machine, whatever the environment says.

    Raises:
        ConfigurationError: A variable names a proxy that cannot be used.
    """
    from speechhub.settings.proxies import proxy_for

    proxy = proxy_for(_whole(url))
    return proxy.url if proxy else None


def _whole(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _base_url(url: str) -> str:
    found = _ADDRESS.fullmatch(_whole(url))
    return "".join(found.groups()) + "/v1" if found else url


def _options(url: str, api_key: str | None) -> dict[str, Any]:
    import httpx

    return {
        "base_url": _base_url(url),
        "headers": _headers(api_key),
        "timeout": httpx.Timeout(600.0, connect=5.0),
    }


def _headers(api_key: str | None) -> dict[str, str]:
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ServerError(
            "The API key has a character that an HTTP header cannot hold; check OPENAI_API_KEY, or --api-key."
        )
    return {"authorization": f"Bearer {key}"} if key else {}


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn connection errors between here and the server at *url* into one sentence."""
    import httpx

    from speechhub.settings.proxies import hint

    try:
        yield
    except httpx.ProxyError as error:
        raise ServerError(f"No answer from {url}: the proxy says {error}.{hint(_whole(url))}") from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        start = (
            " Is the server running there? Start it with 'speechhub serve', or name another address with "
            "--url or SPEECHHUB_PORT."
        )
        raise ServerError(f"No answer from {url}: {error}.{hint(_whole(url)) or start}") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
        raise ServerError(f"{url!r} is not the address of a server; give one such as "
                          "http://127.0.0.1:8000.") from error  # fmt: skip
    except httpx.TimeoutException as error:
        raise ServerError(f"{url} did not answer in 10 minutes.{hint(_whole(url))}") from error
    except httpx.TransportError as error:
        raise ServerError(
            f"The server at {url} closed the connection: {error}. Its log says why.{hint(_whole(url))}"
        ) from error


def check(response: "httpx.Response") -> None:
    """Raise the error that the server reports, if any.

    Raises:
        ServerError: The server answered with an error.
    """
    if response.is_success:
        return
    response.read()
    raise refusal(response.status_code, response.text, str(response.url))


def refusal(status: int, body: str, url: str) -> ServerError:
    """Return the error that the server at *url* reports in its answer."""
    from speechhub.settings.proxies import hint

    try:
        error = json.loads(body)["error"]
        how = " Name it with --replica." if error.get("param") == "replica" else ""
        return ServerError(f"The server answered {status}: {error['message']}{how}", param=error.get("param"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerError(f"The server answered {status}: {body[:200]}{hint(url)}")

"""Asks a running server."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from speechhub.errors import SpeechhubError

if TYPE_CHECKING:
    import httpx


class ServerError(SpeechhubError):
    """A running server refused, or did not answer."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        """The field of the request that is at fault, if the server says so."""


def own_address() -> str:
    """Return where a server with this machine's settings is, seen from here.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    from speechhub.cli._settings import own_settings

    settings = own_settings()
    here = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{here}]:{settings.port}" if ":" in here else f"http://{here}:{settings.port}"


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator["httpx.Client"]:
    """Open a client for the server at *url*, with or without ``/v1`` at its end.

    Raises:
        ServerError: The server cannot be reached, or the connection broke.
    """
    import httpx

    with _told(url), httpx.Client(**_options(url, api_key)) as client:
        yield client


@asynccontextmanager
async def connected_async(url: str, api_key: str | None) -> AsyncIterator["httpx.AsyncClient"]:
    """Do as `connected` does, for work that Ctrl-C can end at any point.

    Raises:
        ServerError: The server cannot be reached, or the connection broke.
    """
    import httpx

    with _told(url):
        async with httpx.AsyncClient(**_options(url, api_key)) as client:
            yield client


def _options(url: str, api_key: str | None) -> dict[str, Any]:
    import httpx

    return {
        "base_url": (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1") + "/v1",
        "headers": {"authorization": f"Bearer {api_key}"} if api_key else {},
        "timeout": httpx.Timeout(600.0, connect=5.0),
    }


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what can go wrong between here and the server at *url* into one sentence."""
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerError(
            f"No answer from {url}: {error}. Is the server running there? Start it with 'speechhub "
            "serve', or name another address with --url or SPEECHHUB_PORT."
        ) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise ServerError(f"{url!r} is not the address of a server; give one such as "
                          "http://127.0.0.1:8000.") from error  # fmt: skip
    except httpx.TimeoutException as error:
        raise ServerError(f"{url} did not answer in 10 minutes.") from error
    except httpx.TransportError as error:
        raise ServerError(f"The server at {url} broke off: {error}. Its log says why.") from error


def check(response: "httpx.Response") -> None:
    """Raise what the server says.

    Raises:
        ServerError: The server answered with an error.
    """
    if response.is_success:
        return
    response.read()
    raise refusal(response.status_code, response.text)


def refusal(status: int, body: str) -> ServerError:
    """Return what the server says in an answer that is not a success."""
    try:
        error = json.loads(body)["error"]
        return ServerError(f"The server answered {status}: {error['message']}", param=error.get("param"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerError(f"The server answered {status}: {body[:200]}")

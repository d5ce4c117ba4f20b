"""Asks a running server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from speechhub.errors import SpeechhubError

if TYPE_CHECKING:
    import httpx


class ServerError(SpeechhubError):
    """A running server refused, or did not answer."""


def own_address() -> str:
    """Return where a server with this machine's settings is, seen from here.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    from speechhub.settings import load_settings

    settings = load_settings()
    here = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{here}]:{settings.port}" if ":" in here else f"http://{here}:{settings.port}"


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator["httpx.Client"]:
    """Open a client for the server at *url*, with or without ``/v1`` at its end.

    Raises:
        ServerError: The server cannot be reached, or the connection broke.
    """
    import httpx

    base = (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1") + "/v1"
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with httpx.Client(
            base_url=base, headers=headers, timeout=httpx.Timeout(600.0, connect=5.0)
        ) as client:
            yield client
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerError(
            f"No answer from {url}: {error}. Is the server running? Start it with 'speechhub serve'."
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
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text[:200]
    raise ServerError(f"The server answered {response.status_code}: {message}")

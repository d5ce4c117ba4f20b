"""The name that a request gives the server: its header ``Host``.

An attacker can point the name of a web page at 127.0.0.1 ("DNS rebinding"). To the browser the page then has
the server's own origin and may read all answers. Its requests still name its own host. So where only
the address keeps strangers out, the host must be a name that no stranger can own.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import HostNotAllowedError, InvalidHostError
from speechhub.http.context import context_of
from speechhub.settings.expected import LONGEST_VALUE, shown
from speechhub.settings.hosts import HOST, address_of, pattern

_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""Names that a browser takes for an IPv4 address and so never looks up, such as ``127.1``.
Source: WHATWG's URL standard, "ends in a number"."""
CONTAINER_NAMES: Final = frozenset({"host.docker.internal", "host.containers.internal"})
"""How containers call their machine; Docker Desktop and podman bring them to its loopback address. The domain
is reserved for private use, so that no stranger can register such a name."""
_OLD: Final = ("0.9", "1", "1.0")
"""Versions of HTTP in which a request need not name a host, as Granian writes them."""


def named(app: ASGIApp, allowed: Iterable[str], *, has_keys: bool) -> ASGIApp:
    """Wrap *app*: refuse requests that do not name exactly one host, or that a rebound page may have sent.

    With keys every name is accepted, because a page has no key. Without keys and *allowed* names, requests
    over the loopback interface are checked: over any other, strangers need no browser. With *allowed* names
    and no keys, all requests are checked.

    Raises:
        InvalidHostError: From the wrapped application.
        HostNotAllowedError: From the wrapped application.
    """
    patterns = tuple(filter(None, map(pattern, allowed)))
    own = _own_names()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        name = named_host(scope)
        asked = not has_keys and (patterns or is_loopback(scope))
        if asked and name is not None and not (_is_local(name, own) or _matches(name, patterns)):
            context_of(scope).log["host"] = name[:LONGEST_VALUE]
            raise HostNotAllowedError(shown(name))
        await app(scope, receive, send)

    return wrapped


def named_host(scope: Scope) -> str | None:
    """Return the host that a request names, in lower case and without a port; None where it need not.

    Raises:
        InvalidHostError: There are several, none where there must be one, or it cannot be a host's name.
    """
    found = [value.strip() for name, value in scope["headers"] if name == b"host"]
    if found in ([], [b""]):  # Granian turns the one into the other
        if scope.get("http_version", "1.0") in _OLD:
            return None
        raise InvalidHostError("The request has no header 'Host', which HTTP/1.1 requires.")
    if len(found) > 1:
        raise InvalidHostError("The request has more than one header 'Host'.")
    matched = HOST.fullmatch(found[0].decode("latin-1"))
    name = matched["name"].lower().removesuffix(".") if matched else ""
    if not name or (name.startswith("[") and not (":" in name and address_of(name.strip("[]")))):
        raise InvalidHostError("The request's header 'Host' is neither a name nor an address.")
    return name


def is_loopback(scope: Scope) -> bool:
    """Return whether a request came over the loopback interface.

    The server's address says so, if it is one. Granian gives the address that is listened on: where that is
    every address of the machine, the client's decides, for only this machine has a loopback address to come
    from.
    """
    server = _address(scope.get("server"))
    if server is not None and server.is_unspecified:
        server = _address(scope.get("client"))
    return server is not None and server.is_loopback


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(it in ("*", name) or (it.startswith("*.") and name.endswith(it[1:])) for it in patterns)


def _is_local(name: str, own: frozenset[str]) -> bool:
    return (
        name in own
        or name == "localhost"
        or name.endswith(".localhost")
        or name.startswith("[")
        or _NUMBER.fullmatch(name) is not None
    )


def _own_names() -> frozenset[str]:
    """Return the names of this machine, also as mDNS has it."""
    full = socket.gethostname().lower().removesuffix(".")
    short = full.partition(".")[0]
    return CONTAINER_NAMES | ({full, short, f"{short}.local"} if short else set())


def _address(end: object) -> IPv4Address | IPv6Address | None:
    """Return the address of one end of a connection, if it is one: others are sockets' paths, or names."""
    return address_of(str(end[0])) if isinstance(end, list | tuple) and end else None

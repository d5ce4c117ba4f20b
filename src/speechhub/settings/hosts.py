"""Names and addresses of hosts, as settings and requests write them."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
"""A name, an IPv4 address, or an IPv6 address in brackets, which needs a second look; perhaps with a port."""


def pattern(entry: str) -> str | None:
    """Return a setting's entry as it is compared, or None if it can be no host.

    It is a name, ``*.name`` for all names below one, or ``*``; a port does not count.
    """
    entry = entry.strip().lower()
    if entry == "*":
        return entry
    below = entry.startswith("*.")
    matched = HOST.fullmatch(entry.removeprefix("*."))
    name = matched["name"].removesuffix(".") if matched else ""
    return ("*." if below else "") + name if name else None


@lru_cache
def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, if it is one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # ::ffff:127.0.0.1 is what a socket for both families shows.
    return getattr(address, "ipv4_mapped", None) or address


def origin(host: str, port: int) -> str:
    """Return the address of a server for people: IPv6 in brackets, so that it can be opened as it stands."""
    host = host.removeprefix("[").removesuffix("]")
    return f"http://[{host.replace('%', '%25')}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable(host: str) -> str:
    """Return a host under which a server that listens on *host* is found from its own machine."""
    host = host.removeprefix("[").removesuffix("]")
    address = address_of(host)
    if not host or (address and address.version == 4 and address.is_unspecified):  # noqa: PLR2004
        return "127.0.0.1"
    return "::1" if address and address.is_unspecified else host


def reachable_url(host: str, port: int) -> str:
    """Return the address, seen from its own machine, of a server that listens on *host* and *port*."""
    return origin(reachable(host), port)

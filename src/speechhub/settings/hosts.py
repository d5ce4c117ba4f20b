"""Names and addresses of hosts, as settings and requests write them."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
"""A name, an IPv4 address or an IPv6 address in brackets (not fully checked here), with an optional port."""


def pattern(entry: str) -> str | None:
    """Return a setting's entry in the form that is compared, or None if it cannot be a host.

    The form is a name, ``*.name`` for all names below one, or ``*``; a port does not count.
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
    """Parse *text* as an IP address; None if it is not one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows IPv4 addresses as ::ffff:127.0.0.1.
    return getattr(address, "ipv4_mapped", None) or address


def is_address(host: str) -> bool:
    """Return whether *host* has the form of an address to listen on: an IP address, or a name alone."""
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare:
        return address_of(bare) is not None
    return re.fullmatch(r"[A-Za-z0-9._-]{1,255}", bare) is not None


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach a server that listens on *host*."""
    address = address_of(host.removeprefix("[").removesuffix("]"))
    return host == "localhost" or bool(address and address.is_loopback)


def overlap(one: str, other: str) -> bool:
    """Return whether servers that listen on two hosts cannot have the same port."""
    if one == other:
        return True
    addresses = [address_of(host.removeprefix("[").removesuffix("]")) for host in (one, other)]
    if addresses[0] == addresses[1] and addresses[0] is not None:
        return True
    return any(address is not None and address.is_unspecified for address in addresses)


def origin(host: str, port: int) -> str:
    """Return a server's address as a URL that can be opened as printed: IPv6 addresses are in brackets."""
    host = host.removeprefix("[").removesuffix("]")
    return f"http://[{host.replace('%', '%25')}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable(host: str) -> str:
    """Return a host at which a server that listens on *host* can be reached from its own machine."""
    host = host.removeprefix("[").removesuffix("]")
    address = address_of(host)
    if not host or (address and address.version == 4 and address.is_unspecified):  # noqa: PLR2004
        return "127.0.0.1"
    return "::1" if address and address.is_unspecified else host


def reachable_url(host: str, port: int) -> str:
    """Return the URL at which a server on *host* and *port* can be reached from its own machine."""
    return origin(reachable(host), port)

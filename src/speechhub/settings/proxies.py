"""Proxies that the environment names, and the hosts that are reached without one."""

import importlib.util
import ipaddress
import os
import re
import socket
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from speechhub.errors import ConfigurationError
from speechhub.settings.hosts import address_of

SCHEMES: Final = ("http", "https", "socks5", "socks5h")
"""Kinds of proxies that our HTTP clients support. Source: httpx, ``Proxy``."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that an environment variable names."""

    url: str
    """Includes the scheme, and may include a user and a password."""
    variable: str
    """The variable's name as it is spelled in the environment."""

    @property
    def shown(self) -> str:
        """The proxy as messages show it: without user and password."""
        return f"the proxy {_without_user(self.url)} ({self.variable})"


def is_this_machine(host: str) -> bool:
    """Tell whether *host* means this machine, in any of the spellings that sockets accept.

    Args:
        host: Name or address, with or without brackets.
    """
    host = host.strip().lower().removeprefix("[").removesuffix("]").partition("%")[0].rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = address_of(host)
    if address is None:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001
        except (OSError, ValueError):
            return False
    return address.is_loopback or address.is_unspecified


def proxy_for(url: str, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy that requests for *url* go through, or None if they go directly.

    Uses ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``; lower case comes before any other
    case. Requests to this machine never go through a proxy, whatever these variables say.

    Raises:
        ConfigurationError: The variable does not name a usable proxy.
    """
    environ = os.environ if environ is None else environ
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), _port(parts)
    except ValueError:
        return None  # not a URL; connecting to it reports that
    if not host or is_this_machine(host):
        return None
    named = _named(environ)
    proxy = named.get(parts.scheme) or named.get("all")
    if proxy is None or any(_covers(entry, host, port) for entry in _excepted(environ)):
        return None
    if proxy.variable not in environ and urllib.request.proxy_bypass(host):
        return None
    _check(proxy)
    return proxy


def check_proxies(environ: Mapping[str, str] | None = None) -> None:
    """Check that each proxy that a client may pick up from the environment is usable.

    Raises:
        ConfigurationError: One is not; clients would then fail, whatever address they want to reach.
    """
    environ = os.environ if environ is None else environ
    if "*" in _excepted(environ):
        return
    for proxy in _named(environ).values():
        _check(proxy)


def hint(url: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a sentence, with a leading space, about the proxy used for *url*; empty without a proxy."""
    try:
        proxy = proxy_for(url, environ)
    except ConfigurationError as error:
        return f" {error.message}"
    if proxy is None:
        return ""
    return f" Requests go there through {proxy.shown}; to go without it, add the host to NO_PROXY."


def _named(environ: Mapping[str, str]) -> dict[str, Proxy]:
    """Return the proxies by scheme: ``http``, ``https``, ``all``."""
    found: dict[str, Proxy] = {}
    for name, value in sorted(environ.items(), key=lambda item: item[0].islower()):  # lower case wins
        scheme = name.lower().removesuffix("_proxy")
        if scheme == name.lower() or scheme not in ("http", "https", "all"):
            continue
        if value.strip():
            found[scheme] = Proxy(url=_with_scheme(value), variable=name)
        elif name.islower():
            found.pop(scheme, None)
    if "REQUEST_METHOD" in environ and "http" in found and not found["http"].variable.islower():
        del found["http"]  # under CGI, HTTP_PROXY holds a header from the caller. Source: httpoxy.org
    if not found and environ is os.environ and sys.platform == "darwin":
        for scheme, value in urllib.request.getproxies().items():
            if scheme in ("http", "https", "all"):
                found[scheme] = Proxy(url=_with_scheme(value), variable="the system's settings")
    return found


def _excepted(environ: Mapping[str, str]) -> list[str]:
    """Return the entries of ``no_proxy``, in lower case."""
    value = environ.get("no_proxy")
    if value is None:
        value = next((value for name, value in environ.items() if name.lower() == "no_proxy"), "")
    return [entry.lower() for entry in re.split(r"[,\s]+", value) if entry]


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Tell whether an entry of ``no_proxy`` covers a host.

    An entry is a name, which also covers the names below it, an address or a network.
    """
    if entry == "*":
        return True
    entry = entry.rpartition("://")[2]
    if "/" in entry:
        address = address_of(host)
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted = entry.rpartition(":")
    if entry.count(":") == 1 or name.endswith("]"):
        if colon and wanted.isascii() and wanted.isdigit() and int(wanted) != port:
            return False
    else:
        name = entry
    name = name.removeprefix("[").removesuffix("]").removeprefix("*").removeprefix(".").rstrip(".")
    if address_of(name) is not None:
        return address_of(name) == address_of(host)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _check(proxy: Proxy) -> None:
    """Check that an HTTP client can use *proxy*.

    Raises:
        ConfigurationError: It is not an address, its kind is not supported, or its kind needs a package.
    """
    advice = f"Correct {proxy.variable}, or unset it"
    shown = _without_user(proxy.url)
    try:
        parts = urlsplit(proxy.url)
        usable = bool(parts.hostname) and parts.port != 0 and not _strange(parts.netloc)
    except ValueError:
        usable = False
        parts = SplitResult("", "", "", "", "")
    if parts.scheme and parts.scheme not in SCHEMES:
        raise ConfigurationError(
            f"{proxy.variable} names {shown!r}, a kind of proxy that cannot be used here: use one of "
            f"{', '.join(f'{scheme}://' for scheme in SCHEMES)}. {advice}."
        )
    if not usable:
        example = "http://proxy.example.org:3128"
        raise ConfigurationError(
            f"{proxy.variable} names {shown!r}, which is not a proxy address such as {example}. {advice}."
        )
    if parts.scheme.startswith("socks") and not _has_socks():
        raise ConfigurationError(
            f"{proxy.variable} names {shown}, and SOCKS needs one more package: {sys.executable} -m pip "
            f"install socksio. {advice} to connect without the proxy."
        )


def _has_socks() -> bool:
    try:
        return importlib.util.find_spec("socksio") is not None
    except ValueError:  # sys.modules holds None for it
        return False


def _strange(characters: Iterable[str]) -> bool:
    return any(char.isspace() or char in '\\<>"{}|^`' or not char.isprintable() for char in characters)


def _port(parts: SplitResult) -> int | None:
    return parts.port or DEFAULT_PORTS.get(parts.scheme)


def _with_scheme(value: str) -> str:
    value = value.strip()
    return value if "://" in value else f"http://{value}"


def _without_user(url: str) -> str:
    return re.sub(r"://[^/]*@", "://", url)

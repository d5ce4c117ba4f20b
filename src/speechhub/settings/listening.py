"""Addresses to listen on, checked before anything starts."""

import errno
import socket

from speechhub.errors import ConfigurationError


def free_address(host: str, port: int, *, prefix: str = "") -> tuple[str, int]:
    """Check that the address is free; return it as numbers, also for port 0.

    Args:
        host: An address of this machine, or ``localhost``.
        port: TCP port; 0 for a free one.
        prefix: What the names of the settings ``host`` and ``port`` begin with, for the error's text.

    Raises:
        ConfigurationError: It cannot be listened on; the text says what to set.
    """
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {f'[{host}]' if ':' in host else host}:{port}: {error.strerror}. "
                f"{_remedy(error, prefix)}"
            ) from error
        found = probe.getsockname()
        return str(found[0]), int(found[1])


def _remedy(error: OSError, prefix: str) -> str:
    """Return what to do about an address that cannot be listened on."""
    host, port = (
        f"SPEECHHUB_{prefix}{name}".upper() + f", or --{prefix}{name},".replace("_", "-")
        for name in ("host", "port")
    )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"Set {host} to an address of this machine: 127.0.0.1 for this machine alone, "
            "0.0.0.0 for all of its networks."
        )
    if error.errno == errno.EACCES:
        return f"Set {port} to 1024 or more: smaller ones are for root."
    return f"Set {port} to a free port, or stop the program that uses this one."

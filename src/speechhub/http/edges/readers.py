"""Answers that their clients do not read: a connection that takes nothing for too long is closed.

The server below stops taking bytes once it and the network hold some megabytes that the client has not
read. A paused player looks the same, so the time limit is generous; what it has not read waits in a file.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from speechhub.errors import AnswerUnreadError
from speechhub.http.context import context_of

log = structlog.get_logger()

_DESCRIPTORS: Final = next(
    (folder for folder in (Path("/proc/self/fd"), Path("/dev/fd")) if folder.is_dir()), None
)
_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""For SO_LINGER: what is not sent is discarded when the connection closes."""
_ESTABLISHED: Final = 1
"""State of a connection that both sides have open, at the start of TCP_INFO. Source: netinet/tcp.h."""


def reading_bounded(app: ASGIApp, idle_timeout_s: float) -> ASGIApp:
    """Wrap *app*: sending a piece of an answer that its client does not take raises an error.

    Args:
        app: Sends the answer, in pieces of at most some 64 KiB where it is long.
        idle_timeout_s: How long one piece may wait.

    Raises:
        AnswerUnreadError: From ``send``; the connection has ended.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":  # goes out with the first piece
                await send(message)
                return
            try:
                async with asyncio.timeout(idle_timeout_s):
                    await send(message)
            except TimeoutError as error:
                context_of(scope).error = AnswerUnreadError.__name__
                log.warning("client does not read its answer, and is cut off", waited_s=idle_timeout_s)
                if scope["http_version"].startswith("1."):  # HTTP/2 has other answers on the connection
                    hang_up(scope.get("client"), scope.get("server"))
                raise AnswerUnreadError(idle_timeout_s) from error

        is_http = scope["type"] == ScopeType.HTTP
        await app(scope, receive, send_in_time if is_http else send)

    return wrapped


def hang_up(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> None:
    """Close this process's connection with *client* at once, if there is one.

    Granian cannot do this: it waits until the client has read what it still holds. So the socket is looked
    up among the process's descriptors.

    Args:
        client: Address and port of the other side; Granian writes the port as text.
        server: The same of this one, whose address may stand for all of the machine's.
    """
    for connection in _connections(client, server):
        with contextlib.suppress(OSError):  # closed meanwhile
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.shutdown(socket.SHUT_RDWR)


def has_left(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> bool:
    """Return whether *client* has ended its connection with this process; False if that cannot be told.

    Granian tells it only to an application that reads, behind all that the client has sent before.

    Args:
        client: As for `hang_up`.
        server: As for `hang_up`.
    """
    if client is None or server is None or _DESCRIPTORS is None or sys.platform != "linux":
        return False
    states = [it.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] for it in _connections(client, server)]
    return _ESTABLISHED not in states


def _connections(
    client: tuple[str, int] | None, server: tuple[str, int | None] | None
) -> Iterator[socket.socket]:
    """Yield this process's connections with *client*, of which there is one at most."""
    if client is None or server is None or server[1] is None or _DESCRIPTORS is None:
        return
    wanted = _address(client[0]), int(client[1]), int(server[1])
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208  # names, not paths
        with contextlib.suppress(OSError):  # closed meanwhile, or no connection
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                if connection.family not in (socket.AF_INET, socket.AF_INET6):
                    continue
                host, port, *_ = connection.getpeername()
                if (_address(host), port, connection.getsockname()[1]) == wanted:
                    yield connection


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address; one of IPv4 is the same however a socket of IPv6 writes it."""
    found = ipaddress.ip_address(host.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found

"""A server as an attacker sees it: an address, and connections to it from many others."""

import asyncio
import contextlib
import re
import resource
import socket
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

WINDOW_BYTES = 4096
"""What a client that does not read still takes, beside the kernel's buffer of about this size."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server on the loopback interface, and how many callers attack it.

    Callers have addresses of their own, 127.1.0.1 and on; honest requests come from 127.0.0.1.
    """

    port: int
    callers: int = 200
    """Addresses among which the connections are divided: limits for each caller do not end the attack."""
    key: str | None = None

    @classmethod
    def of(cls, url, **options):
        """Return the server at *url*."""
        return cls(port=urlsplit(url).port, **options)

    def head(self, method, path, *lines):
        """Return the head of a request."""
        sent = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", *lines]
        sent += [f"authorization: Bearer {self.key}"] if self.key else []
        return "\r\n".join(sent).encode("latin-1") + b"\r\n\r\n"

    def post(self, path, kind, body, *lines, length=None):
        """Return a POST; *length* lies about the body's."""
        length = len(body) if length is None else length
        return self.head("POST", path, f"content-type: {kind}", f"content-length: {length}", *lines) + body

    @contextlib.asynccontextmanager
    async def connection(self, number=0, *, greedy=True):
        """Connect as the caller of that *number*; the end is a reset, so that nothing lingers here.

        Args:
            number: Of the connection.
            greedy: Whether to read what comes; else the window stays small, and closes.
        """
        caller = number % self.callers
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if not greedy:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
        made.settimeout(0)
        try:
            made.bind((f"127.1.{caller // 250}.{caller % 250 + 1}", 0))
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
            limit = 2**16 if greedy else WINDOW_BYTES
            reader, writer = await asyncio.open_connection(sock=made, limit=limit)
        except BaseException:
            made.close()
            raise
        try:
            yield Connection(reader, writer)
        finally:
            writer.transport.abort()


@dataclass(frozen=True)
class Connection:
    """One connection of an attacker's."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces, pause_s=0.0):
        """Send *pieces*, with a pause after each."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if pause_s:
                await asyncio.sleep(pause_s)

    async def status(self):
        """Return the status of the next answer, as text, or that there was none."""
        try:
            line = await self.reader.readline()
        except (OSError, ValueError):  # a reset; or no line at all
            return CUT
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", line)
        return found[1].decode() if found else CUT

    async def ask(self, *pieces, pause_s=0.0):
        """Send *pieces*; return the status of the answer, which may come before all was sent."""
        sending = asyncio.create_task(self.send(*pieces, pause_s=pause_s))
        try:
            return await self.status()
        finally:
            sending.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await sending

    async def insist(self, *pieces, pause_s=0.0):
        """Send all of *pieces*, whatever the answer; return its status."""
        with contextlib.suppress(OSError):
            await self.send(*pieces, pause_s=pause_s)
        return await self.status()

    async def stay(self):
        """Read on until the server closes the connection."""
        with contextlib.suppress(OSError):
            while await self.reader.read(2**16):
                pass
        return CUT


CUT = "cut"
"""The server closed the connection without an answer, or after the last one."""
OPEN = "open"
"""The attack ended, and the connection was still there."""
REFUSED = "refused"
"""There was no connection."""


async def crowd(target, count, part, *, hold_s, greedy=True):
    """Play *part* on *count* connections at a time; return how many of them ended how.

    Args:
        target: The server.
        count: Connections.
        part: Coroutine function of a connection and its number that returns what became of it.
        hold_s: When all of it ends, in seconds.
        greedy: As for `Target.connection`.
    """
    ends = Counter()

    async def one(number):
        end = REFUSED
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(hold_s), target.connection(number, greedy=greedy) as made:
                end = OPEN
                end = await part(made, number)
        ends[end] += 1

    spare_descriptors(count)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
    return ends


def spare_descriptors(count):
    """Let this process open so many sockets, if the system allows it at all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))

"""A TLS terminator in front of a server, with a certificate of its own, for clients that insist on TLS."""

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PIECE_BYTES = 65_536
WAIT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminator:
    """A terminator that runs."""

    url: str
    """Its address, ``https://localhost:PORT``."""
    certificate: Path
    """What a client has to trust: a PEM file."""


@contextmanager
def terminating(url: str, folder: Path) -> Iterator[Terminator | None]:
    """Put TLS in front of the server at *url* for a while; yield None where there is no openssl.

    Args:
        url: An address such as ``http://127.0.0.1:8000``.
        folder: Where the certificate is made.
    """
    if not shutil.which("openssl"):
        yield None
        return
    certificate = made_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, folder / "key.pem")
    upstream = urlsplit(url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A client that leaves in the middle is none of the terminator's business.
            with suppress(OSError):
                there = await asyncio.open_connection(upstream.hostname, upstream.port)
                await asyncio.gather(copied(reader, there[1]), copied(there[0], writer))

        return await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(WAIT_S)
        port = server.sockets[0].getsockname()[1]
        yield Terminator(url=f"https://localhost:{port}", certificate=certificate)
        asyncio.run_coroutine_threadsafe(stopped(server), loop).result(WAIT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()


async def stopped(server: asyncio.Server) -> None:
    """Stop listening, and end what is open."""
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy bytes until either side closes, and close the target."""
    with suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            target.write(piece)
            await target.drain()
    target.close()
    with suppress(OSError):
        await target.wait_closed()


def made_certificate(folder: Path) -> Path:
    """Make a key and a certificate for localhost; return the certificate's file."""
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-days", "2", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem"

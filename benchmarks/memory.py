"""Measures how much memory a few requests can make the hub hold, by route and size of the attack.

.venv/bin/python benchmarks/memory.py [--limit MB]

For each line, a new server on the echo engines is used over the loopback interface by clients that do not
read their answers, or do not finish their requests. With --limit, all of the server's processes together are
in a cgroup of that many megabytes without swap (v1 or v2, which takes root), and must answer afterwards.
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.e2e.conftest import echo_env  # the path comes first
from tests.e2e.server import Server, alive, children, serving

JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\ncontent-disposition: form-data; name="%b"; filename="a.wav"\r\n\r\n'
LONGEST_S = 60.0
CGROUPS = Path("/sys/fs/cgroup")
SETTLE_S = 12.0
"""How long to wait for freed memory to be returned to the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A number of clients that send the same request."""

    route: str
    what: str
    clients: int
    request: bytes
    """Head and beginning of the body; `body_bytes` of filler follow."""
    body_bytes: int = 0


def post(path: str, kind: str, body: bytes, length: int | None = None) -> bytes:
    """Return a request; it may announce a longer body than is sent."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {size}"
    return f"{head}\r\n\r\n".encode() + body


def speech(text: str, **fields: object) -> bytes:
    """Return a request for speech."""
    body = {"model": "echo-tts", "input": text, "response_format": "pcm"} | fields
    return post("/v1/audio/speech", JSON, json.dumps(body).encode())


def upload(path: str, field: bytes, length: int) -> bytes:
    """Return the beginning of a form that never ends."""
    return post(path, FORM, PART % field, length=length)


def attacks() -> Iterator[Attack]:
    """Yield every line of the table."""
    pauses = speech("Hm. " * 700, silence_interval_ms=5000)
    for clients in (1, 4, 8):
        yield Attack(route="speech", what="58 min of pauses, unread", clients=clients, request=pauses)
    yield Attack(
        route="speech",
        what="3.5 h of pauses",
        clients=4,
        request=speech("Hm. " * 2500, silence_interval_ms=5000),
    )
    own_pauses = speech("A. " * 3300, silence_interval_ms=5000, model="echo-clone", response_format="mp3")
    yield Attack(route="speech", what="pauses that the engine makes, unread", clients=4, request=own_pauses)
    yield Attack(
        route="speech",
        what="10,000 characters as events, unread",
        clients=8,
        request=speech("A sentence of some words. " * 380, stream_format="sse"),
    )
    unfinished = post("/v1/audio/speech", JSON, b'{"input": "', length=25_000_000)
    yield Attack(
        route="speech",
        what="24 MB of JSON, unfinished",
        clients=20,
        request=unfinished,
        body_bytes=24_000_000,
    )
    unfinished = post("/v1/engines/load", JSON, b'{"model": "', length=49_000_000)
    yield Attack(
        route="engines/load",
        what="48 MB of JSON, unfinished",
        clients=20,
        request=unfinished,
        body_bytes=48_000_000,
    )
    unfinished = post("/v1/audio/transcriptions", JSON, b'{"input_audio": {"data": "', length=22_000_000)
    yield Attack(
        route="transcriptions",
        what="21 MB of JSON, unfinished",
        clients=20,
        request=unfinished,
        body_bytes=21_000_000,
    )
    for clients, size in ((60, 4_000_000), (20, 20_000_000)):
        form = upload("/v1/audio/transcriptions", b"file", 50_000_000)
        yield Attack(
            route="transcriptions",
            what=f"{size // 1_000_000} MB of a form, unfinished",
            clients=clients,
            request=form,
            body_bytes=size,
        )
    form = upload("/v1/audio/voices", b"audio_sample", 10_000_000)
    yield Attack(
        route="voices", what="9 MB of a form, unfinished", clients=20, request=form, body_bytes=9_000_000
    )
    fields = post("/v1/audio/transcriptions", FORM, FIELDS, length=len(FIELDS) + 1)
    yield Attack(route="transcriptions", what="250 fields of 64 kB, unfinished", clients=20, request=fields)


FIELDS = b"".join(
    b'--b\r\ncontent-disposition: form-data; name="f%d"\r\n\r\n%b\r\n' % (number, b"x" * 64_000)
    for number in range(250)
)


def start(server: Server, attack: Attack) -> list[socket.socket]:
    """Send everything that the attack sends; return the open connections."""
    made = []
    for _ in range(attack.clients):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", urlsplit(server.url).port))
        made.append(connection)
        with contextlib.suppress(OSError):  # refused
            connection.sendall(attack.request)
            left, filling = attack.body_bytes, b"A" * 1_000_000
            while left > 0:
                connection.sendall(filling[:left])
                left -= len(filling)
    return made


def field_mb(pid: int, name: str) -> float:
    """Return a line of the process's status, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1000


def answers(server: Server) -> bool:
    """Return whether the server is healthy."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    return False


def settled(value: Callable[[], float]) -> float:
    """Wait until *value* stops growing; return it."""
    end, last = time.monotonic() + LONGEST_S, -1.0
    while time.monotonic() < end and (now := value()) - last > 1:
        last = now
        time.sleep(2)
    return value()


@contextlib.contextmanager
def confined(limit_mb: int) -> Iterator[Callable[[int], None]]:
    """Make a cgroup; yield a function that puts a process and its future children into it."""
    old = (CGROUPS / "memory").is_dir()
    group = (CGROUPS / "memory" if old else CGROUPS) / f"speechhub-{os.getpid()}"
    group.mkdir()
    limits = (
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if old else ("memory.max", "memory.swap.max")
    )
    (group / limits[0]).write_text(str(limit_mb * 1024**2))
    with contextlib.suppress(OSError):  # no swap accounting
        (group / limits[1]).write_text(str(limit_mb * 1024**2 if old else 0))
    try:
        yield lambda pid: (group / "cgroup.procs").write_text(str(pid)) and None
    finally:
        group.rmdir()


def one(attack: Attack, limit_mb: int | None) -> str:
    """Return the attack's line of the table."""
    with contextlib.ExitStack() as stack:
        confine = stack.enter_context(confined(limit_mb)) if limit_mb else None
        home = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(serving(Path(home), **echo_env()))
        if confine:
            confine(server.pid)
        idle = field_mb(server.pid, "VmRSS")
        connections = start(server, attack)
        settled(lambda: field_mb(server.pid, "VmHWM"))
        peak = field_mb(server.pid, "VmHWM")
        workers = sum(field_mb(pid, "VmHWM") for pid in children(server.pid))
        lives = answers(server)
        for connection in connections:
            connection.close()
        time.sleep(SETTLE_S)
        after = field_mb(server.pid, "VmRSS")
        lives = lives and alive(server.pid) and answers(server)
    return (
        f"| `{attack.route}` | {attack.what} | {attack.clients} | {idle:.0f} | {peak:.0f} | {after:.0f} | "
        f"{workers:.0f} | {'yes' if lives else 'NO'} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="megabytes for all the server's processes together")
    parser.add_argument("--only", help="a part of the lines' text")
    asked = parser.parse_args()
    os.environ["SPEECHHUB_LOG_LEVEL"] = "info"
    print(
        "| route | what | clients | hub idle, MB | peak, MB | after, MB | workers, MB | answers |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for attack in attacks():
        if not asked.only or asked.only in f"{attack.route} {attack.what}":
            print(one(attack, asked.limit), flush=True)


if __name__ == "__main__":
    main()

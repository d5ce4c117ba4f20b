"""Samples a server's processes once a second from outside, as Linux reports them."""

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server import Server, children

EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The server's resources at one moment."""

    at_s: float
    """Time since the watch began, in seconds."""
    hub_mb: float
    workers_mb: dict[str, float]
    """Resident memory of each model's worker, in megabytes."""
    descriptors: int
    threads: int
    """Threads of the hub."""
    workers_descriptors: int
    workers_threads: int
    children: int


def look(server: Server, at_s: float = 0.0) -> Sample:
    """Return a sample of the server now."""
    pids = {
        pid: str(line["model"])
        for line in server.logged("engine ready")
        if isinstance(pid := line["pid"], int)
    }
    found = children(server.pid)
    workers = [(pids.get(pid, "starting"), _status(pid), _descriptors(pid)) for pid in found]
    memory: dict[str, float] = {}
    for model, status, _ in workers:
        memory[model] = memory.get(model, 0.0) + status.get("VmRSS", 0) / 1000
    hub = _status(server.pid)
    return Sample(
        at_s=at_s,
        hub_mb=hub.get("VmRSS", 0) / 1000,
        workers_mb=memory,
        descriptors=_descriptors(server.pid),
        threads=hub.get("Threads", 0),
        workers_descriptors=sum(count for _, _, count in workers),
        workers_threads=sum(status.get("Threads", 0) for _, status, _ in workers),
        children=len(found),
    )


class Watch:
    """Samples a server in a thread of its own, from `start` until `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.samples: list[Sample] = []

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> list[Sample]:
        """Stop sampling; return the samples."""
        self._over.set()
        self._thread.join()
        return self.samples

    def _run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(EVERY_S):
            with contextlib.suppress(OSError):  # a thread of the hub ended while its children were listed
                self.samples.append(look(self._server, time.monotonic() - began))


def _status(pid: int) -> dict[str, int]:
    """Return the numbers that Linux reports for a process; none if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = (line.partition(":") for line in lines)
    return {name: int(rest.split()[0]) for name, _, rest in fields if name in ("VmRSS", "Threads")}


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0

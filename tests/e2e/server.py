"""A real server in a process of its own, and a look at what it leaves behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
OWN_ENV = {
    "SPEECHHUB_LOG_FORMAT": "json",
    "SPEECHHUB_INSPECTABLE": "true",  # tests count descriptors from outside, and need not run as root
}


def until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of *condition*; another process's state has no event to wait for."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if value := condition():
            return value
        threading.Event().wait(0.02)
    raise AssertionError(f"not within {deadline_s} s: {what}")


def free_port() -> int:
    """Return a TCP port that nothing listens on, for a program that cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def alive(pid: int) -> bool:
    """Return whether a process runs; one that is dead and not reaped does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return [child for child in found if alive(child)]


class Server:
    """``speechhub serve`` on a free port of the loopback interface."""

    def __init__(
        self, home: Path, *, python: str = sys.executable, through: Sequence[str] = (), **env: str
    ) -> None:
        """Start it on *python*, by way of a program that starts others if *through* has one."""
        self._lines: list[dict[str, object]] = []
        self.wyoming_port = int(env.get("SPEECHHUB_WYOMING_PORT", 0))
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPEECHHUB_", "OPENAI_"))}
        self.process = subprocess.Popen(
            [*through, python, "-m", "speechhub", "serve", "--port", "0"],
            env=clean | OWN_ENV | {"SPEECHHUB_HOME": str(home)} | env,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=home,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = until(lambda: self._listening("http://"), "the server listens")
        if self.wyoming_port:
            until(lambda: self._listening("tcp://"), "the Wyoming port is open")
        until(lambda: self.logged("ready"), "the server is ready")

    def _listening(self, scheme: str) -> str:
        """Return the address of one protocol, once it is served."""
        found = [str(line["url"]) for line in self.logged("listening")]
        return next((url for url in found if url.startswith(scheme)), "")

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                try:
                    self._lines.append(json.loads(line))
                except ValueError:
                    self._lines.append({"event": line.rstrip()})

    @property
    def pid(self) -> int:
        return self.process.pid

    def logged(self, event: str) -> list[dict[str, object]]:
        """Return the log lines of one event."""
        return [line for line in list(self._lines) if line["event"] == event]

    def lines(self) -> list[dict[str, Any]]:
        """Return all log lines, as they were written."""
        return list(self._lines)

    def log_text(self) -> str:
        """Return all log lines."""
        return "\n".join(json.dumps(line) for line in list(self._lines))

    def workers(self) -> list[int]:
        """Return the ids of the workers' processes."""
        return children(self.pid)

    def descriptors(self) -> int:
        """Return how many files and sockets the hub has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def forget_peak(self) -> None:
        """Have `peak_bytes` begin anew. Source: proc(5), clear_refs."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """Return the most memory that the hub had resident since then."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return status


@contextmanager
def serving(
    home: Path, *, python: str = sys.executable, through: Sequence[str] = (), **env: str
) -> Iterator[Server]:
    """Serve for a while; afterwards no worker is left, and the log is free of surprises."""
    server = Server(home, python=python, through=through, **env)
    try:
        yield server
        workers = server.workers() if server.process.poll() is None else []
        if server.process.poll() is None:
            assert server.stop() == 0, server.log_text()
        assert not [pid for pid in workers if alive(pid)]
        assert not server.logged("unexpected error"), server.log_text()
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()

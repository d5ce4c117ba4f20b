"""The server of the chaos run: processes that follow one another on the same home."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server import Server, alive, until

MARK = "SPEECH_CHAOS_LIFE"
"""Variable that every process of a life inherits; the hub passes on all that do not begin with SPEECHHUB_."""
DESCRIPTORS = 256
COMMAND = ["speechhub", "serve", "--port", "0"]
"""The end of a hub's command line."""


@dataclass(slots=True, kw_only=True, eq=False)
class Life:
    """One process of the server, from its start until it is gone."""

    number: int
    server: Server
    mark: str
    ending_s: float | None = None
    """When ending it began; set before the signal is sent."""
    ended_by: signal.Signals | None = None

    @property
    def url(self) -> str:
        """Address at which it listens."""
        return self.server.url


class Hub:
    """Starts and ends the server; tells clients which life to use."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self._home, self._env = home, env
        self._run = f"{os.getpid()}"
        self._changed = threading.Condition()
        self._current: Life | None = None
        self.lives: list[Life] = []
        self.errors: list[str] = []
        """Errors at the ends of lives: exit statuses, processes that stayed."""

    def start(self) -> Life:
        """Start the server on its home; return once it is ready."""
        number = len(self.lives)
        mark = f"{self._run}-{number}"
        limit = [shutil.which("prlimit") or "prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", "--"]
        server = Server(self._home, through=limit, PYTHONFAULTHANDLER="1", **self._env, **{MARK: mark})
        life = Life(number=number, server=server, mark=mark)
        with self._changed:
            self.lives.append(life)
            self._current = life
            self._changed.notify_all()
        return life

    def life(self) -> Life:
        """Return the life that serves; wait while there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._current is not None)
            assert self._current is not None
            return self._current

    def newest(self) -> Life:
        """Return the life that began last, which may be ending or gone."""
        return self.lives[-1]

    def end(self, number: signal.Signals) -> None:
        """End the current life; return when its process and all of its workers are gone."""
        with self._changed:
            life, self._current = self._current, None
            assert life is not None
            life.ending_s, life.ended_by = time.monotonic(), number
        try:
            status = life.server.stop(number)
        except subprocess.TimeoutExpired:
            self.errors.append(f"life {life.number} does not end by {number.name}")
            status = life.server.stop(signal.SIGABRT)  # its log then shows where each thread was
        expected = 0 if number == signal.SIGTERM else -number
        if status != expected:
            self.errors.append(f"life {life.number} ended with {status} and not {expected} by {number.name}")
        try:
            until(lambda: not marked(life.mark), "all processes of a life are gone", 10)
        except AssertionError:
            self.errors.append(f"processes of life {life.number} are left: {marked(life.mark)}")

    def kill_all(self) -> None:
        """Kill every process of this run, whatever went wrong."""
        for pid in marked(f"{self._run}-"):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def unborn(hub: int, mark: str) -> list[int]:
    """Return forked copies of a hub that have not called exec yet: they still have its command line."""
    commands = {pid: _command(pid) for pid in marked(mark)}
    return [pid for pid, command in commands.items() if pid != hub and command[-4:] == COMMAND]


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    except OSError:
        return []


def marked(mark: str) -> list[int]:
    """Return the processes that have a mark, or one that begins with it, in their environment."""
    wanted = f"{MARK}={mark}".encode()
    ends = b"" if mark.endswith("-") else b"\0"
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                environ = b"\0" + (folder / "environ").read_bytes() + b"\0"
                if b"\0" + wanted + ends in environ and alive(int(folder.name)):
                    found.append(int(folder.name))
    return found

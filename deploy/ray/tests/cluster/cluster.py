"""A Ray cluster of hubs on this machine, started as a user starts it, and a look at what it leaves behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.server import OWN_ENV, alive, children, free_port, until

START_S = 90.0
"""How long Ray, Serve and the hubs may take to start on a busy machine; some ten seconds on a quiet one."""
_PREFIX = re.compile(r"^\([^)]*pid=\d+[^)]*\) ")
"""What Ray puts before each line of a replica's."""
ECHO = {"SPEECHHUB_STT_MODEL": "echo-stt", "SPEECHHUB_TTS_MODEL": "echo-tts"}


def small_gpus(*, load_s: float, work_s: float) -> dict[str, str]:
    """Return settings with which each replica behaves as a small GPU does: one engine at a time."""
    options = {"load_s": load_s, "work_s": work_s}
    return ECHO | {
        "SPEECHHUB_CPU_EXCLUSIVE": "true",
        "SPEECHHUB_STANDBY": "off",
        "SPEECHHUB_ENGINES": json.dumps({"echo-stt": options, "echo-tts": options}),
    }


class Cluster:
    """``speechhub-ray serve`` on a free port of the loopback interface."""

    def __init__(self, home: Path, *arguments: str, **env: str) -> None:
        """Start it with *arguments* after ``serve``, and wait until it listens."""
        self._lines: list[dict[str, Any]] = []
        wanted = dict(pairwise(arguments)).get("--replicas", "1")
        self._count = int(wanted)
        self.ray_folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # a long path breaks Ray's sockets
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPEECHHUB_", "OPENAI_", "RAY_"))}
        settings = OWN_ENV | {"SPEECHHUB_HOME": str(home), "SPEECHHUB_PORT": str(free_port())} | env
        self.url = f"http://127.0.0.1:{settings['SPEECHHUB_PORT']}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "speechhub_ray", "serve", *arguments],
            env=clean | settings | {"RAY_TMPDIR": self.ray_folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=home,
            text=True,
            start_new_session=True,  # tests send signals to the whole group, as a terminal does
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait()

    def _wait(self) -> None:
        until(lambda: self.logged("listening") or self.process.poll() is not None, "it listens", START_S)
        assert self.process.poll() is None, self.log_text()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                text = _PREFIX.sub("", line.rstrip())
                try:
                    found = json.loads(text)
                except ValueError:
                    found = {"event": line.rstrip()}
                self._lines.append(found if isinstance(found, dict) else {"event": line.rstrip()})

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of one event, of all replicas and of the command."""
        return [line for line in list(self._lines) if line["event"] == event]

    def log_text(self) -> str:
        """Return all lines."""
        return "\n".join(json.dumps(line) for line in list(self._lines))

    def replicas(self, count: int | None = None) -> list[str]:
        """Return the names of the replicas, once there are *count*, by default as many as were wanted.

        Each replica has its own view of the others, which may be two seconds old.
        """

        def names() -> list[str] | None:
            found: list[str] = httpx.get(f"{self.url}/health", timeout=30).json()["replicas"]
            return found if len(found) == (count or self._count) else None

        found: list[str] = until(names, "all replicas answer", 60)
        return found

    def replica_pids(self) -> dict[str, int]:
        """Return replica → its process."""
        return {line["replica"]: line["pid"] for line in self.logged("replica") if alive(line["pid"])}

    def processes(self) -> list[int]:
        """Return the ids of all processes below the command, Ray's and the workers of hubs."""
        found, open_ = [], [self.process.pid]
        while open_:
            pid = open_.pop()
            try:
                below = children(pid)
            except OSError:
                continue
            found += below
            open_ += below
        return found

    def stop(self, number: int = signal.SIGTERM, within_s: float = 60.0) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(within_s)
        self._reader.join(within_s)
        return status

    def clean_up(self) -> None:
        """End what is left, and remove Ray's files."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.ray_folder, ignore_errors=True)


@contextmanager
def clustered(home: Path, *arguments: str, **env: str) -> Iterator[Cluster]:
    """Serve from a cluster for a while; afterwards no process is left, and the log is free of surprises."""
    cluster = Cluster(home, *arguments, **env)
    try:
        yield cluster
        below = cluster.processes()
        if cluster.process.poll() is None:
            assert cluster.stop() == 0, cluster.log_text()
        until(lambda: not [pid for pid in below if alive(pid)], "all processes have ended", 10)
        assert not cluster.logged("unexpected error"), cluster.log_text()
    finally:
        cluster.clean_up()

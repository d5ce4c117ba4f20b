"""Checks of a server at rest after the run: what is left behind, and what has drifted."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos.disk import Disk
from benchmarks.chaos.hub import Life
from benchmarks.chaos.ledger import End, Entry
from benchmarks.load.client import KEY
from tests.e2e.server import Server, until
from tests.fuzz.leaving import nameless_files
from tests.fuzz.mixture import POOL_THREADS, memory_bytes, threads

GROWTH_BYTES = 64 * 2**20
"""How much more memory a hub at rest may have than before: allocators keep some of what decoders used."""
PEAK_BYTES = 400 * 2**20
"""Most memory that the hub may have at any moment."""
QUIET_S = 90.0
UNLOGGED = ("/health", "/metrics", "/page/")
"""Paths whose requests are counted and not logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A hub at rest, without engines."""

    workers: int
    descriptors: int
    threads: int
    memory_bytes: int
    nameless: int
    """Open files without a name."""

    @property
    def told(self) -> str:
        """A summary in a few words."""
        return (
            f"{self.workers} workers, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.memory_bytes / 2**20:.0f} MB, {self.nameless} files without a name"
        )


def get(server: Server, path: str) -> bytes:
    """Return the body of a GET request."""
    request = urllib.request.Request(f"{server.url}{path}", headers={"authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def json_of(server: Server, path: str) -> dict[str, Any]:
    """Return the JSON object of a GET request."""
    found: dict[str, Any] = json.loads(get(server, path))
    return found


def come_to_rest(server: Server) -> None:
    """Wait until no request runs or waits, and unload all models."""

    def models() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(get(server, "/health"))["models"]
        return found

    until(lambda: not any(m["busy"] or m["waiting"] for m in models()), "nothing runs or waits", QUIET_S)
    for model in models():
        for do in ("unpin", "unload"):
            request = urllib.request.Request(
                f"{server.url}/v1/engines/{do}",
                data=json.dumps({"model": model["id"]}).encode(),
                headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
            )
            urllib.request.urlopen(request, timeout=60).close()
    until(lambda: not server.workers(), "no worker is left", 30)


def at_rest(server: Server, before: Quiet | None = None) -> Quiet:
    """Return the resources of a hub at rest, once it has no more descriptors than *before*."""
    if before:
        with contextlib.suppress(AssertionError):  # the comparison reports it
            until(lambda: server.descriptors() <= before.descriptors, "descriptors are back", 20)
    return Quiet(
        workers=len(server.workers()),
        descriptors=server.descriptors(),
        threads=threads(server.pid),
        memory_bytes=memory_bytes(server.pid),
        nameless=len(nameless_files(server)),
    )


def moved(before: Quiet, after: Quiet) -> list[str]:
    """Return the resources of which a hub at rest has more than before."""
    limits = {
        "workers": (after.workers, before.workers),
        "descriptors": (after.descriptors, before.descriptors),
        "threads": (after.threads, before.threads + POOL_THREADS),
        "bytes of memory": (after.memory_bytes, before.memory_bytes + GROWTH_BYTES),
        "files without a name": (after.nameless, before.nameless),
    }
    return [f"{name}: {has}, allowed {allowed}" for name, (has, allowed) in limits.items() if has > allowed]


# ── Counters ─────────────────────────────────────────────────────────────────


def series(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one series of /metrics by the values of its labels."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line):
            labels = tuple(re.findall(r'\w+="([^"]*)"', match[1] or ""))
            found[labels] = float(match[2])
    return found


def gauges(server: Server) -> list[str]:
    """Return the gauges of a hub at rest that are not zero."""
    text = get(server, "/metrics").decode()
    names = ("queue_depth", "queue_oldest_seconds", "queue_stalled", "engine_ready", "engine_busy")
    return [
        f"{name}{labels} is {value}"
        for name in names
        for labels, value in series(text, f"speechhub_{name}").items()
        if value
    ]


def counted(life: Life, entries: list[Entry]) -> list[str]:
    """Return where the counters, the log and the clients' records of one life disagree."""
    text = get(life.server, "/metrics").decode()
    counters: Counter[tuple[str, str]] = Counter()
    for (method, route, status), value in series(text, "speechhub_http_requests_total").items():
        if not route.startswith(UNLOGGED):
            counters[method, status] += round(value)
    lines = [line for line in life.server.logged("request") if not str(line["path"]).startswith(UNLOGGED)]
    logged = Counter((str(line["method"]), str(line["status"])) for line in lines)
    wrong = [
        f"life {life.number}: {key} was counted {counters[key]} times and logged {logged[key]} times"
        for key in sorted(counters.keys() | logged.keys())
        if counters[key] != logged[key]
    ]
    return wrong + recorded(life, entries, whole=True)


def recorded(life: Life, entries: list[Entry], *, whole: bool) -> list[str]:
    """Return where a life's log and its clients' records disagree.

    Args:
        life: Which.
        entries: The records of all lives.
        whole: Whether each line of the log was read, which a killed process does not promise.
    """
    times: Counter[str] = Counter()
    status: dict[str, object] = {}
    for line in life.server.logged("request"):
        name = str(line.get("request_id"))
        times[name] += 1
        status[name] = line["status"]
    wrong = [f"life {life.number}: {name} is logged {n} times" for name, n in times.items() if n > 1]
    for entry in entries:
        if entry.life != life.number or entry.end is not End.ANSWERED or entry.path.startswith(UNLOGGED):
            continue
        if entry.name not in times:
            if whole:
                wrong.append(
                    f"life {life.number}: {entry.name} was answered {entry.became}, and is not logged"
                )
        elif not entry.in_stream and status[entry.name] != entry.status:
            wrong.append(f"{entry.name} was answered {entry.status}, and logged as {status[entry.name]}")
    return wrong


# ── Files ────────────────────────────────────────────────────────────────────


def files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def doctor(disk: Disk, env: dict[str, str]) -> list[str]:
    """Return what ``speechhub doctor`` finds wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "speechhub", "doctor", "--json"],
        env=env | {"SPEECHHUB_HOME": str(disk.home)},
        cwd=disk.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == 0:
        return []
    try:
        findings = json.loads(done.stdout)["findings"]
    except ValueError:
        return [f"doctor ended with {done.returncode}: {done.stderr[-500:]}"]
    failed = (finding for finding in findings if finding["verdict"] == "fail")
    return [f"doctor: {finding['subject']}: {finding['finding']}" for finding in failed]

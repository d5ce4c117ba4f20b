"""Memory that the port takes while nothing runs, and what is imported for it."""

import asyncio
import re
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.footprint import rss_mb
from tests.e2e.server import free_port, serving

IMPORTED = re.compile(r"import time:.*\|\s+(wyoming(?:\.\w+)*)\s*")
"""A line of PYTHONPROFILEIMPORTTIME that names a module of the library `wyoming`."""


def imported(lines: Iterable[str]) -> list[str]:
    """Return the modules of the library `wyoming` that a program imported, as it says itself."""
    return [found[1] for line in lines if (found := IMPORTED.fullmatch(line))]


async def memory(rounds: int) -> None:
    """Print what the port costs at idle, and what of its library is imported without it."""
    found: dict[str, list[float]] = {"without": [], "with": []}
    modules: dict[str, int] = {}
    for profiled in (True, *[False] * max(3, rounds // 4)):
        for name, mb in found.items():
            port = free_port() if name == "with" else 0
            env = {"SPEECHHUB_OFFLINE": "true", "SPEECHHUB_WYOMING_PORT": str(port)}
            if profiled:
                env["PYTHONPROFILEIMPORTTIME"] = "1"
            with tempfile.TemporaryDirectory() as home, serving(Path(home), **env) as hub:
                await asyncio.sleep(1)
                if profiled:
                    modules[name] = len(imported([str(line["event"]) for line in hub.lines()]))
                else:
                    mb.append(rss_mb(hub.pid))
    print("\n| | without the port | with it | more |\n| --- | --- | --- | --- |")
    medians = [statistics.median(mb) for mb in found.values()]
    print(f"| hub at idle, MB | {medians[0]:.1f} | {medians[1]:.1f} | {medians[1] - medians[0]:.1f} |")
    print(f"| modules of `wyoming` | {modules['without']} | {modules['with']} | |", flush=True)

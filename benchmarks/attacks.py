"""Measures how soon `/health/live` answers while the server is attacked, and how much memory the hub takes.

.venv/bin/python benchmarks/attacks.py [seconds] [words of the attacks' names]
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.e2e.conftest import ECHO  # the path comes first
from tests.e2e.server import Server, serving
from tests.fuzz import attacks, costly
from tests.fuzz.mixture import memory_bytes
from tests.fuzz.probe import Probe
from tests.fuzz.target import Target

SECONDS = 30.0
"""Long enough for an attack to exhaust its target: a flood once took over 20 s to use up all connections."""
THREADS = (os.cpu_count() or 1) + 4
"""Threads of asyncio's default executor."""
Attack = Callable[..., Awaitable[Counter[str]]]


def costly_recordings(name: str, count: int, **options: int) -> Attack:
    """Return an attack with a recording from `costly`, which is made only when the attack begins."""

    async def attack(target: Target, *, hold_s: float) -> Counter[str]:
        recording = getattr(costly, name)(**options)
        ends: Counter[str] = await attacks.costly_recordings(
            target, recording=recording, count=count, hold_s=hold_s
        )
        return ends

    return attack


ATTACKS: dict[str, Attack] = {
    f"{2 * THREADS} recordings of silence, 888 s each": partial(attacks.silent_recordings, count=2 * THREADS),
    "8 MP3 of mono and stereo in turns, 8 MB": costly_recordings("changing_mp3", 8, size_bytes=8_000_000),
    "4 WAV of empty chunks, 48 MB": costly_recordings("empty_chunks", 4, size_bytes=48_000_000),
    "4 AAC of noise, 16 MB": costly_recordings("adts_noise", 4, size_bytes=16_000_000),
    **{
        f"212 texts at a time, abandoned: {name}": partial(attacks.abandoned_texts, text=text, count=212)
        for name, text in attacks.QUADRATIC.items()
    },
    "8 answers that are not read": partial(attacks.unread_answers, count=8),
    "1500 silent connections": partial(attacks.silent_connections, count=1500),
    "1500 connections kept after an answer": partial(attacks.idle_connections, count=1500),
    "1500 heads, a byte a second": partial(attacks.slow_heads, count=1500),
    "300 uploads, 1 KiB in 30 s": partial(attacks.slow_uploads, count=300),
    "300 refused uploads that go on, 10 KiB/s": partial(attacks.refused_uploads, count=300),
    "64 refused uploads of 64 MiB at a time": attacks.flood_of_refused_uploads,
    "HTTP/2 on 100 connections": partial(attacks.http2_connections, count=100),
    "20 unfinished JSON bodies, 49 MB": partial(attacks.unfinished_json, count=20),
    "60 unfinished recordings, 4 MB": partial(attacks.unfinished_uploads, count=60),
    "16 JSON bodies at a time, 100 000 deep": partial(attacks.deep_json, depth=100_000, count=16),
    "posts of other people's pages": attacks.foreign_posts,
}


def attack_for(name: str, url: str, seconds: float) -> Counter[str]:
    """Attack for *seconds*, again whenever an attack has ended; runs in a process of its own."""

    async def again() -> Counter[str]:
        ends: Counter[str] = Counter()
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            ends += await ATTACKS[name](Target.of(url), hold_s=left_s)
        return ends

    return asyncio.run(again())


def look(server: Server, name: str, seconds: float) -> str:
    """Return the table's line for one attack, or for none."""
    before_mb = memory_bytes(server.pid) / 2**20
    server.forget_peak()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as attacker, Probe(server.url, pace_s=0.02) as probe:
        if name in ATTACKS:
            ends = attacker.submit(attack_for, name, server.url, seconds).result()
        else:
            ends = Counter[str]()
            time.sleep(seconds)
    became = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    peak_mb = server.peak_bytes() / 2**20
    return (
        f"| {name} | {1000 * probe.median_s:.1f} | {1000 * probe.p99_s:.1f} | {1000 * probe.worst_s:.1f} | "
        f"{probe.missed} of {len(probe.took_s)} | {before_mb:.0f} | {peak_mb:.0f} | {became} |"
    )


def main() -> None:
    """Print the table: a server at rest, a new one under each attack, and one at rest again."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    words = sys.argv[2:]
    chosen = [name for name in ATTACKS if not words or any(word in name for word in words)]
    print(
        "| attack | median ms | p99 ms | worst ms | no answer | MB before | MB at most | connections |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for name in ("none", *chosen, "none, once more"):
        with tempfile.TemporaryDirectory() as home, serving(Path(home), **ECHO) as server:
            print(look(server, name, seconds), flush=True)


if __name__ == "__main__":
    main()

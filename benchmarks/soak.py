"""What a hub is like after many good, bad and abandoned requests: memory, descriptors, threads, workers.

.venv/bin/python benchmarks/soak.py [requests] [at a time]
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.e2e.conftest import echo_env  # the path comes first
from tests.e2e.server import Server, serving, until
from tests.fuzz.mixture import Mixture, memory_bytes, tally, threads

REQUESTS, AT_A_TIME, ROUNDS = 10_000, 4, 10
WARM_UP = 300


def row(server: Server, sent: int, began: float) -> None:
    """Print what the hub has now."""
    print(
        f"| {sent} | {time.monotonic() - began:.0f} | {memory_bytes(server.pid) / 2**20:.0f} | "
        f"{server.descriptors()} | {threads(server.pid)} | {len(server.workers())} |",
        flush=True,
    )


def main() -> None:
    """Print a table, row by row as the hub ages, and what became of the requests."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    at_a_time = int(sys.argv[2]) if len(sys.argv) > 2 else AT_A_TIME
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    outcomes = []
    env = echo_env(stt={"work_s": 0.01}, tts={"work_s": 0.002})
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home), **env) as server,
        ThreadPoolExecutor(at_a_time) as clients,
    ):
        mixture = Mixture(server.url)
        began = time.monotonic()
        print("| requests | s | RSS of the hub, MB | descriptors | threads | workers |")
        print("| --- | --- | --- | --- | --- | --- |")
        row(server, 0, began)
        list(clients.map(mixture.send, range(WARM_UP)))
        row(server, WARM_UP, began)
        descriptors, workers = server.descriptors(), sorted(server.workers())
        for number in range(ROUNDS):
            first = WARM_UP + number * requests // ROUNDS
            end = WARM_UP + (number + 1) * requests // ROUNDS
            outcomes += clients.map(mixture.send, range(first, end))
            row(server, end, began)
        until(lambda: server.descriptors() <= descriptors, "descriptors are back")
        same = sorted(server.workers()) == workers
        print(
            f"\nThe workers are {'the same' if same else 'OTHERS'}; descriptors are back to {descriptors}.\n"
        )
    for kind, counts in tally(outcomes).items():
        print(f"{kind}: {dict(sorted(counts.items(), key=str))}")


if __name__ == "__main__":
    main()

"""Measures how soon `/health` answers while many requests for speech run.

.venv/bin/python benchmarks/health.py [calls] [checks]
"""

import http.client
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.e2e.conftest import echo_env  # the path comes first
from tests.e2e.server import serving

CALLS, LOOKS = 44, 500
BODY = b'{"model": "echo-tts", "voice": "alloy", "input": "%b"}' % (b"A sentence that takes its time. " * 20)


def speak(url: str, until_s: float) -> int:
    """Request speech repeatedly until *until_s*; return how often the answer was not 200."""
    bad = 0
    while time.monotonic() < until_s:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.request("POST", "/v1/audio/speech", BODY, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        bad += answer.status != 200
    return bad


def look(url: str, looks: int) -> list[float]:
    """Request `/health` over one connection; return how long each answer took, in milliseconds."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    times = []
    for _ in range(looks):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.02)  # a probe, not a flood
    connection.close()
    return times


def main() -> None:
    """Print the table for no calls and for many."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    looks = int(sys.argv[2]) if len(sys.argv) > 2 else LOOKS
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    env = echo_env(tts={"work_s": 0.005}) | {"SPEECHHUB_QUEUE_LIMIT": str(2 * CALLS)}
    print(
        "| calls for speech at a time | median ms | p99 ms | worst ms | refused |\n"
        "| --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as home, serving(Path(home), **env) as server:
        speak(server.url, time.monotonic() + 1)
        for count in (0, calls):
            with ThreadPoolExecutor(max(1, count)) as clients:
                end = time.monotonic() + looks * 0.03
                speaking = [clients.submit(speak, server.url, end) for _ in range(count)]
                times = look(server.url, looks)
                refused = sum(call.result() for call in speaking)
            p99 = statistics.quantiles(times, n=100)[98]
            print(
                f"| {count} | {statistics.median(times):.2f} | {p99:.1f} | {max(times):.1f} | {refused} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

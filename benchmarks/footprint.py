"""Measures how soon the hub is ready, and how much memory all its processes take at idle."""

import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
PORT = 18_125


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process and all its descendants, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1000
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return own + sum(
        rss_mb(int(child)) for task in tasks for child in (task / "children").read_text().split()
    )


def once() -> tuple[float, float]:
    """Start a hub; return the seconds to its first answer, and its resident memory in MB."""
    env = os.environ | {"SPEECHHUB_HOME": tempfile.mkdtemp(), "SPEECHHUB_LOG_LEVEL": "warning"}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "speechhub", "serve", "--port", str(PORT)], env=env)
    try:
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
                connection.request("GET", "/health")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.005)
        ready_s = time.perf_counter() - began
        time.sleep(0.5)
        return ready_s, rss_mb(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def main() -> None:
    """Print the table."""
    ready, memory = zip(*(once() for _ in range(ROUNDS)), strict=True)
    print("| | median | min | max |\n| --- | --- | --- | --- |")
    print(f"| ready, s | {statistics.median(ready):.2f} | {min(ready):.2f} | {max(ready):.2f} |")
    print(f"| RSS at idle, MB | {statistics.median(memory):.0f} | {min(memory):.0f} | {max(memory):.0f} |")


if __name__ == "__main__":
    main()

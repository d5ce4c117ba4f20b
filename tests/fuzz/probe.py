"""A probe that asks a server for a sign of life at a fixed pace, whatever became of its last questions.

It runs in a process of its own, so that it waits for nothing that the attacker does.
"""

import asyncio
import contextlib
import math
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.server import until

ROOT = Path(__file__).parents[2]


class Probe:
    """Looks at `/health/live`, or another path, while it is entered, each time over a new connection."""

    def __init__(self, url, *, pace_s=0.05, patience_s=10.0, path="/health/live"):
        """Prepare to look; nothing is sent yet.

        Args:
            url: Of the server.
            pace_s: Time from one question to the next, in seconds; a late answer delays none.
            patience_s: How long to wait for an answer, in seconds.
            path: What to ask for; the right answer is 200.
        """
        self._command = [sys.executable, "-m", "tests.fuzz.probe", url, path, str(pace_s), str(patience_s)]
        self.took_s = []
        """How long each answer took, in seconds; infinity if none came, or a wrong one."""

    def __enter__(self):
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *exc_info):
        self._process.stdin.close()
        self._reader.join()
        assert self._process.wait() == 0

    def look(self, times=20):
        """Wait until so many more questions were answered, or missed."""
        enough = len(self.took_s) + times
        until(lambda: len(self.took_s) >= enough, "the probe looked")

    @property
    def worst_s(self):
        """The longest wait."""
        return max(self.took_s, default=math.inf)

    @property
    def p99_s(self):
        """What all but one in a hundred waits kept below."""
        return sorted(self.took_s)[math.ceil(0.99 * len(self.took_s)) - 1]

    @property
    def median_s(self):
        """The wait in the middle."""
        return statistics.median(self.took_s)

    @property
    def missed(self):
        """How many questions got no answer."""
        return self.took_s.count(math.inf)

    def _read(self):
        with self._process.stdout as lines:
            self.took_s.extend(float(line) for line in lines)


async def look(url, path, pace_s, patience_s):
    """Print how long each answer took, until the standard input ends."""
    ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        while not ended.done():
            group.create_task(_ask(urlsplit(url).port, path, patience_s))
            due += pace_s
            await asyncio.wait([ended], timeout=max(0.0, due - time.monotonic()))


async def _ask(port, path, patience_s):
    question = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
    began, answer = time.monotonic(), b""
    with contextlib.suppress(OSError):  # no answer in time is one of them
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(question.encode())
                answer = await reader.read()
            finally:
                writer.transport.abort()
    good = answer.startswith(b"HTTP/1.1 200 ")
    print(time.monotonic() - began if good else math.inf, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(look(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))

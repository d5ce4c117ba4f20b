"""Watches the hub twice a second from outside: its memory, its descriptors, and how soon it answers.

It also frees children that libfaketime blocks. Between fork and exec, a child recreates Python's lock, for
which libfaketime takes a lock of its own. If a thread of the hub held that lock at the moment of the fork, no
thread of the child will ever release it, and the hub waits for the exec and does nothing else meanwhile.
Without libfaketime this cannot happen.
"""

import contextlib
import http.client
import os
import signal
import threading
import time
from urllib.parse import urlsplit

from benchmarks.chaos.hub import Hub, unborn
from tests.fuzz.mixture import memory_bytes

EVERY_S = 0.5
PATIENCE_S = 10.0
STUCK_S = 2.0
"""A child that stays between fork and exec for this many seconds is blocked, not just slow."""


class Watch:
    """Watches the process that is the hub at the time, from `start` until `stop`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._over = threading.Event()
        runs = (self._look, self._knock, self._free)
        self._threads = [threading.Thread(target=run) for run in runs]
        self.peak_bytes = self.most_descriptors = 0
        self.answers_s: list[float] = []
        self.unanswered = self.freed = 0

    def start(self) -> None:
        """Start watching."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def told(self) -> str:
        """How soon the hub answered, in a few words."""
        within_s = sorted(self.answers_s) or [0.0]
        late = f", {self.unanswered} without an answer" if self.unanswered else ""
        middle = within_s[len(within_s) // 2]
        freed = f"; {self.freed} children freed from libfaketime" if self.freed else ""
        return f"median {middle * 1000:.0f} ms, at most {within_s[-1]:.2f} s of {len(within_s)}{late}{freed}"

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            server = self._hub.life().server
            with contextlib.suppress(OSError, StopIteration):  # its process is ending
                self.peak_bytes = max(self.peak_bytes, memory_bytes(server.pid))
                self.most_descriptors = max(self.most_descriptors, server.descriptors())

    def _free(self) -> None:
        seen: set[int] = set()
        while not self._over.wait(STUCK_S):
            stuck = {pid for life in self._hub.lives for pid in unborn(life.server.pid, life.mark)}
            for pid in seen & stuck:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    self.freed += 1
            seen = stuck

    def _knock(self) -> None:
        while not self._over.wait(EVERY_S):
            life = self._hub.life()
            began_s = time.monotonic()
            connection = http.client.HTTPConnection(urlsplit(life.url).netloc, timeout=PATIENCE_S)
            try:
                connection.request("GET", "/health/live")
                connection.getresponse().read()
                self.answers_s.append(time.monotonic() - began_s)
            except (OSError, http.client.HTTPException):
                self.unanswered += life.ending_s is None
            finally:
                connection.close()

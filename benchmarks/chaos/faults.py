"""Faults of workers, hub, disk, descriptors and clock, at random moments; several can last at once."""

import contextlib
import heapq
import os
import random
import resource
import signal
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

from benchmarks.chaos.clock import Clock
from benchmarks.chaos.disk import Disk
from benchmarks.chaos.hub import DESCRIPTORS, Hub

MOST_STEP_S = 12 * 3600
HOARD = 300
"""How many connections are opened to use up descriptors: more than the server may have."""
PAUSE_S = (0.4, 2.5)
"""Shortest and longest time from one fault to the next, in seconds."""


@dataclass(slots=True, kw_only=True)
class Trouble:
    """One fault, and when it began and ended."""

    kind: str
    began_s: float
    ended_s: float | None = None


class Faults:
    """Causes faults from a thread of its own, from `start` until `stop`, which undoes them all."""

    def __init__(self, hub: Hub, dice: random.Random, *, disk: Disk | None, clock: Clock | None) -> None:
        self._hub, self._dice, self._disk, self._clock = hub, dice, disk, clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults")
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._replacing: threading.Thread | None = None
        self.troubles: list[Trouble] = []
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self._kinds: dict[Callable[[], None], int] = {
            self._kill_worker: 6,
            self._stop_worker: 4,
            self._end_hub: 2,
            self._kill_hub: 2,
            self._hoard_connections: 2,
            self._lower_limit: 2,
        }
        if disk:
            self._kinds[self._fill_disk] = 4
        if clock:
            self._kinds[self._step_clock] = 4

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and undo the faults that still last."""
        self._over.set()
        self._thread.join()

    def during(self, began_s: float, ended_s: float) -> set[str]:
        """Return the kinds of the faults that lasted at some moment between two times."""
        return {
            trouble.kind
            for trouble in list(self.troubles)
            if trouble.began_s <= ended_s and (trouble.ended_s is None or trouble.ended_s >= began_s)
        }

    def _run(self) -> None:
        try:
            # Each kind once, so that a short run has them all, and then at random.
            first = list(self._kinds)
            self._dice.shuffle(first)
            while not self._pause(self._dice.uniform(*PAUSE_S)):
                fault = (
                    first.pop() if first else self._dice.choices(*zip(*self._kinds.items(), strict=True))[0]
                )
                fault()
        except Exception:  # noqa: BLE001 - a run whose faults ended silently would pass
            self.errors.append(traceback.format_exc())
        finally:
            while self._undo:
                heapq.heappop(self._undo)[2]()
            if self._replacing:
                self._replacing.join()

    def _pause(self, duration_s: float) -> bool:
        """Wait, and meanwhile undo faults that have lasted long enough; return whether the run is over."""
        end = time.monotonic() + duration_s
        while (now := time.monotonic()) < end and not self._over.is_set():
            if self._undo and self._undo[0][0] <= now:
                heapq.heappop(self._undo)[2]()
                continue
            until = min(end, self._undo[0][0]) if self._undo else end
            self._over.wait(max(0.0, until - now))
        return self._over.is_set()

    def _begin(self, kind: str) -> Trouble:
        self.counts[kind] += 1
        trouble = Trouble(kind=kind, began_s=time.monotonic())
        self.troubles.append(trouble)
        return trouble

    def _later(self, after_s: float, trouble: Trouble, undo: Callable[[], None]) -> None:
        def undone() -> None:
            undo()
            trouble.ended_s = time.monotonic()

        heapq.heappush(self._undo, (time.monotonic() + after_s, next(self._order), undone))

    # ── Workers ──────────────────────────────────────────────────────────────

    def _worker(self) -> int | None:
        with contextlib.suppress(OSError):  # a thread of the hub ended while its children were listed
            workers = sorted(self._hub.newest().server.workers())
            return self._dice.choice(workers) if workers else None
        return None

    def _kill_worker(self) -> None:
        if (pid := self._worker()) is None:
            return
        trouble = self._begin("worker killed")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        trouble.ended_s = time.monotonic()

    def _stop_worker(self) -> None:
        if (pid := self._worker()) is None:
            return
        trouble = self._begin("worker stopped")

        def go_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        self._later(self._dice.uniform(0.5, 8), trouble, go_on)

    # ── Hub ──────────────────────────────────────────────────────────────────

    def _end_hub(self) -> None:
        self._replace_hub(signal.SIGTERM)

    def _kill_hub(self) -> None:
        self._replace_hub(signal.SIGKILL)

    def _replace_hub(self, number: signal.Signals) -> None:
        if self._replacing and self._replacing.is_alive():
            return
        trouble = self._begin("hub ended" if number == signal.SIGTERM else "hub killed")

        def replace() -> None:
            try:
                self._hub.end(number)
                self._hub.start()
            except Exception:  # noqa: BLE001 - clients would silently wait forever
                self.errors.append(traceback.format_exc())
            trouble.ended_s = time.monotonic()

        # In a thread of its own: workers, disk and clock fail meanwhile, too.
        self._replacing = threading.Thread(target=replace, name="replace the hub")
        self._replacing.start()

    # ── Disk, descriptors, clock ─────────────────────────────────────────────

    def _fill_disk(self) -> None:
        assert self._disk
        trouble = self._begin("disk full")
        self._disk.fill(left_bytes=self._dice.choice((0, 0, 4096, 100_000, 2**20)))
        self._later(self._dice.uniform(1, 5), trouble, self._disk.free)

    def _hoard_connections(self) -> None:
        trouble = self._begin("descriptors")
        host, port = urlsplit(self._hub.newest().url).netloc.split(":")
        hoard: list[socket.socket] = []
        with contextlib.suppress(OSError):
            for _ in range(HOARD):
                connection = socket.socket()
                connection.setblocking(False)  # noqa: FBT003
                connection.connect_ex((host, int(port)))
                hoard.append(connection)
        half = self._dice.random() < 0.5
        for connection in hoard if half else []:
            with contextlib.suppress(OSError):
                connection.send(b"GET /health/live HTTP/1.1\r\nhost:")

        def close_all() -> None:
            for connection in hoard:
                connection.close()

        self._later(self._dice.uniform(1, 4), trouble, close_all)

    def _lower_limit(self) -> None:
        server = self._hub.newest().server

        def raise_again() -> None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

        with contextlib.suppress(OSError):  # its process is ending
            few = min(DESCRIPTORS, server.descriptors() + self._dice.randrange(8))
            trouble = self._begin("descriptors")
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (few, DESCRIPTORS))
            self._later(self._dice.uniform(0.5, 3), trouble, raise_again)

    def _step_clock(self) -> None:
        assert self._clock
        trouble = self._begin("clock stepped")
        self._clock.step(self._dice.randrange(-MOST_STEP_S, MOST_STEP_S))
        trouble.ended_s = time.monotonic()

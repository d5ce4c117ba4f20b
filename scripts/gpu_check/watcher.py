"""Looks at the card from outside, every 20 ms: who is on it, and how much is taken."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Final

from speechhub.gpu.values import GpuSample

EVERY_S: Final = 0.02
PATIENCE_S: Final = 5.0
"""For a look that a broken driver does not let end."""


class Watcher:
    """Samples in a thread of its own, from `start` to `stop`."""

    def __init__(self, look: Callable[[], GpuSample | None], ours: Callable[[], Collection[int]]) -> None:
        """Look at nothing yet.

        Args:
            look: At the card; None if the driver does not answer.
            ours: Returns the ids of all worker processes that were ever started.
        """
        self._look = look
        self._ours = ours
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self.reset()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join(PATIENCE_S)

    def reset(self) -> None:
        """Forget what was seen."""
        self.samples = 0
        self.silent = 0
        """Looks that the driver did not answer."""
        self.most_bytes = 0
        self.most_at_once = 0
        """Of our processes on the card."""
        self.seen: set[int] = set()
        """Our processes that were on the card; none in a container, where the driver has other ids."""

    def see(self, sample: GpuSample | None) -> None:
        """Take note of one look."""
        self.samples += 1
        if sample is None:
            self.silent += 1
            return
        here = set(sample.processes or ()) & set(self._ours())
        self.seen |= here
        self.most_at_once = max(self.most_at_once, len(here))
        self.most_bytes = max(self.most_bytes, sample.used_bytes)

    def _run(self) -> None:
        while not self._end.is_set():
            began = time.monotonic()
            self.see(self._look())
            self._end.wait(max(EVERY_S - (time.monotonic() - began), 0.001))

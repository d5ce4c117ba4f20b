"""Engines that take turns on one device, watched from outside."""

import contextlib
import threading

from tests.fuzz.leaving import health

ON_DEVICE = ("loading", "ready", "draining", "stopping", "verifying")


class Lookout:
    """Watches a server from outside, in a thread, until it is left: how much was on its device at a time."""

    def __init__(self, server):
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most_on_device = self.most_processes = self.looks = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(0.05):
            with contextlib.suppress(
                OSError
            ):  # one of the hub's threads ended while its children were listed
                processes = len(self._server.workers())
                on_device = sum(model["state"] in ON_DEVICE for model in health(self._server).values())
                self.most_processes = max(self.most_processes, processes)
                self.most_on_device = max(self.most_on_device, on_device)
                self.looks += 1

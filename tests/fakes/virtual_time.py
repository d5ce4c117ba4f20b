"""An event loop whose clock jumps: timers fire in order and at once, so tests of time-outs take no time."""

import asyncio
import selectors
from types import SimpleNamespace


class _Jump(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it."""

    now_s = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits, and no timer will end it")
            self.now_s += max(timeout, 0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For tests that touch no socket, thread or process: nothing outside has time to happen."""

    def __init__(self):
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self):
        return self._jump.now_s


class Here:
    """Runs what is asked of a pool at once: threads know no virtual time."""

    async def run(self, job, /, *args, **kwargs):
        await asyncio.sleep(0)
        return job(*args, **kwargs)


POOLS = SimpleNamespace(drivers=Here(), files=Here(), disk=Here())


def in_virtual_time(work):
    """Return what the coroutine *work* returns, run on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)

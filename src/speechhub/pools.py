"""Thread pools by kind of work: bulkheads, so that no kind of work takes the threads that another needs.

The event loop's own executor, which `asyncio.to_thread` uses, is left to libraries: six recordings of
silence once filled it, and everything that shared it stopped. Routes that must always answer, such as health
and the list of models, use no pool at all. Source: M. Nygard, Release It!, "Bulkheads".
"""

import asyncio
import contextvars
import os
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

CORES: Final = len(os.sched_getaffinity(0))
"""Cores that this process may use."""

Waited = Callable[[str, float], None]
"""Takes a pool's name and how long a job waited for a thread, in seconds; called in that thread."""


def _ignored(_pool: str, _waited_s: float) -> None:
    pass


def _forget_variables(error: BaseException) -> None:
    """Release the variables of the functions that failed.

    An exception that passes through tasks is part of a reference cycle, and keeps its functions' variables
    until the garbage collector runs, which counts objects, not bytes: a decoder's 35 MB per bad recording.
    """
    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found = found.__cause__ or found.__context__


class Pool:
    """Threads for one kind of work; they start when they are needed."""

    def __init__(self, name: str, threads: int, *, waited: Waited = _ignored) -> None:
        self.name = name
        self.threads = threads
        self._waited = waited
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *job* returns, called in a thread of this pool, in the caller's context.

        Jobs begin in the order in which they arrive. A waiting job can be cancelled; a running one cannot.
        """
        context = contextvars.copy_context()
        call = partial(self._timed, time.monotonic(), partial(context.run, job, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Cancel waiting jobs; threads end with the job that they are running."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _timed(self, asked: float, call: Callable[[], T]) -> T:
        self._waited(self.name, time.monotonic() - asked)
        try:
            return call()
        except BaseException as error:
            _forget_variables(error)
            raise


class Pools:
    """The pools of one server."""

    def __init__(self, *, waited: Waited = _ignored) -> None:
        """Create the pools; no thread starts yet.

        Args:
            waited: Called with how long each job waited.
        """
        self.decoding = Pool("decoding", CORES, waited=waited)
        """Decodes incoming recordings; each job reads a limited stretch of one."""
        self.encoding = Pool("encoding", CORES, waited=waited)
        """Encodes outgoing speech."""
        self.live = Pool("live", CORES, waited=waited)
        """Judges and converts live audio, which uploads must not hold up."""
        self.disk = Pool("disk", 4, waited=waited)
        """Reads and writes voices, consents, and what engines computed from them."""
        self.files = Pool("files", 4, waited=waited)
        """Puts models' files in place before a load; downloads have no time limit."""
        self.drivers = Pool("drivers", 2, waited=waited)
        """Queries the GPU driver, which can block without end."""

    def all(self) -> tuple[Pool, ...]:
        """Return every pool."""
        return (self.decoding, self.encoding, self.live, self.disk, self.files, self.drivers)

    def close(self) -> None:
        """Close every pool."""
        for pool in self.all():
            pool.close()

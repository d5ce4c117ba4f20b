"""Threads by kind of work: bulkheads, so that no kind takes the threads that another needs.

The event loop's own executor, which `asyncio.to_thread` uses, is left to libraries: six recordings of
silence once filled it, and everything that shared it stood still. What must always answer, such as health
and the list of models, uses no pool at all. Source: M. Nygard, Release It!, "Bulkheads".
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
    """Let go of what the functions that failed had in their variables.

    An exception that goes through tasks is part of a circle, and keeps its functions' variables until the
    garbage collector comes by, which counts objects and not bytes: a decoder's 35 MB for each bad recording.
    """
    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found = found.__cause__ or found.__context__


class Pool:
    """Some threads for one kind of work; they start when they are needed."""

    def __init__(self, name: str, threads: int, *, waited: Waited = _ignored) -> None:
        self.name = name
        self.threads = threads
        self._waited = waited
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *job* returns, called in a thread of this pool, in the caller's context.

        Jobs begin in the order in which they came. A job that waits can be cancelled; one that runs cannot.
        """
        context = contextvars.copy_context()
        call = partial(self._timed, time.monotonic(), partial(context.run, job, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Give up what waits; threads end with the job that they run."""
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
        """Make the pools; no thread starts yet.

        Args:
            waited: Told how long each job waited.
        """
        self.decoding = Pool("decoding", CORES, waited=waited)
        """Recordings that come in; a job reads a bounded stretch of one."""
        self.encoding = Pool("encoding", CORES, waited=waited)
        """Speech that goes out."""
        self.disk = Pool("disk", 4, waited=waited)
        """Voices, consents, and what engines computed from them."""
        self.files = Pool("files", 4, waited=waited)
        """Models' files, put in place before a load; a download takes as long as it takes."""
        self.drivers = Pool("drivers", 2, waited=waited)
        """Questions to the GPUs' driver, which can block for ever."""

    def all(self) -> tuple[Pool, ...]:
        """Return every pool."""
        return (self.decoding, self.encoding, self.disk, self.files, self.drivers)

    def close(self) -> None:
        """Close every pool."""
        for pool in self.all():
            pool.close()

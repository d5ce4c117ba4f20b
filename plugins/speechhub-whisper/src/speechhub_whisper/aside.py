"""A thread for the work, so that a cancelled call ends although CTranslate2 cannot be interrupted."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

from speechhub.engine import Call

T = TypeVar("T")

LOOK_S: Final = 0.05
"""Longest time until a cancelled call is noticed, in seconds; finished work is noticed at once."""
_END: Final = object()


class Aside:
    """Does an engine's work in a separate thread, one piece after the other; lives as long as the model.

    The work of a cancelled call goes on until it checks the call itself; the next piece waits for that.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")

    def run(self, work: Callable[[], T], call: Call) -> T:
        """Run *work* in the thread and return its result.

        Raises:
            RequestCancelledError: The call was cancelled; the work ends by itself later.
        """
        done = self._thread.submit(work)
        while not wait([done], LOOK_S).done:
            if call.cancelled:
                done.cancel()  # if it has not begun
                call.raise_if_cancelled()
        return done.result()

    def each(self, items: Iterable[T], call: Call) -> Iterator[T]:
        """Yield *items*, each made in the thread.

        Raises:
            RequestCancelledError: The call was cancelled.
        """
        iterator = iter(items)
        while (item := self.run(lambda: next(iterator, _END), call)) is not _END:
            yield item  # type: ignore[misc]  # the end is not among them

    def later(self, work: Callable[[], object]) -> None:
        """Do *work* after everything that was started before; the caller does not wait for it."""
        self._thread.submit(work)

    def close(self) -> None:
        """Let the thread end after its current piece."""
        self._thread.shutdown(wait=False, cancel_futures=True)

"""A thread for the work, so that a cancelled call ends although CTranslate2 cannot be interrupted."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

from speechhub.engine import Call

T = TypeVar("T")

LOOK_S: Final = 0.05
"""How long a cancelled call goes unnoticed, in seconds; work that is done is noticed at once."""
_END: Final = object()


class Aside:
    """Does an engine's work in a thread of its own, one piece after the other; lives as long as the model.

    What a cancelled call was doing goes on until it looks at the call itself; what comes next waits for it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")

    def run(self, work: Callable[[], T], call: Call) -> T:
        """Return what *work* returns.

        Raises:
            RequestCancelledError: The call was cancelled; the work is left to end by itself.
        """
        done = self._thread.submit(work)
        while not wait([done], LOOK_S).done:
            if call.cancelled:
                done.cancel()  # if it has not begun
                call.raise_if_cancelled()
        return done.result()

    def each(self, items: Iterable[T], call: Call) -> Iterator[T]:
        """Yield *items*, each of which is made in the thread.

        Raises:
            RequestCancelledError: The call was cancelled.
        """
        iterator = iter(items)
        while (item := self.run(lambda: next(iterator, _END), call)) is not _END:
            yield item  # type: ignore[misc]  # the end is not among them

    def later(self, work: Callable[[], object]) -> None:
        """Do *work* when all that was begun before is done; nothing waits for it."""
        self._thread.submit(work)

    def close(self) -> None:
        """Let the thread end with the piece that it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

"""Calls that may hang, as a sick driver's do: made in a thread of their own, and waited for only so long."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Patience:
    """Makes calls one after the other in a thread that holds up neither the callers nor the process's end.

    The thread starts with the first call and lasts as long as the process. While a call is overdue, others
    fail at once.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._overdue: Future[Any] | None = None
        """A call that took longer than its caller waited; None if none does."""

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """Return what *function* returns, or raise what it raises.

        Args:
            function: What may hang.
            timeout_s: How long to wait, the calls before it included.

        Raises:
            TimeoutError: It takes longer, or the call before it still does.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._overdue is not None and not self._overdue.done():
                raise TimeoutError
            self._overdue = None
            if self._thread is None:
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._jobs.put((future, function))
        try:
            return future.result(timeout_s)
        except TimeoutError:
            if not future.cancel() and not future.done():  # it runs
                self._overdue = future
            raise

    def _run(self) -> None:
        while True:
            future, function = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                answer = function()
            except BaseException as error:  # noqa: BLE001  # the caller's, if there still is one
                future.set_exception(error)
            else:
                future.set_result(answer)

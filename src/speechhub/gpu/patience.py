"""Calls that may hang, such as those to a faulty driver: made in their own thread, with a time limit."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Patience:
    """Makes calls one at a time in a thread that blocks neither the callers nor the process's exit.

    The thread starts with the first call and lasts as long as the process. While a call is overdue, other
    calls fail at once.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._overdue: Future[Any] | None = None
        """The call that takes longer than its caller waited; None if there is none."""

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """Return what *function* returns, or raise what it raises.

        Args:
            function: The function that may hang.
            timeout_s: How long to wait, including the calls before it.

        Raises:
            TimeoutError: It takes longer, or an earlier call is still overdue.
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
            if not future.cancel() and not future.done():  # it is running
                self._overdue = future
            raise

    def _run(self) -> None:
        while True:
            future, function = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                answer = function()
            except BaseException as error:  # noqa: BLE001  # raised in the caller, if it still waits
                future.set_exception(error)
            else:
                future.set_result(answer)

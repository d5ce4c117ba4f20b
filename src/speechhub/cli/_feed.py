"""Bytes on their way to a slow reader, such as a program that plays them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Protocol


class Sink(Protocol):
    """An unbuffered file."""

    def write(self, data: memoryview, /) -> int | None:
        """Write some of *data*, at least a byte; return how many."""


@contextmanager
def feeding(sink: Sink) -> Iterator[Callable[[bytes], None]]:
    """Yield what takes bytes for *sink* without waiting; after the block, wait until all were written.

    Speech is made faster than it is heard, and the time limits of its making must not count the difference.
    If the block raises, nothing waits for what is not written yet.

    Raises:
        OSError: *sink* cannot be written; also from what is yielded.
    """
    pieces, written = SimpleQueue[bytes](), Future[None]()
    # A daemon, because it may be stuck in a write when Ctrl-C ends the program.
    Thread(target=_write_all, args=(sink, pieces, written), daemon=True).start()

    def take(piece: bytes) -> None:
        if written.done():
            written.result()
        pieces.put(piece)

    try:
        yield take
    finally:
        pieces.put(b"")
    written.result()


def _write_all(sink: Sink, pieces: "SimpleQueue[bytes]", written: "Future[None]") -> None:
    try:
        while piece := pieces.get():
            left = memoryview(piece)
            while left:
                left = left[sink.write(left) or 0 :]
    except Exception as error:  # noqa: BLE001  # it is raised where the bytes come from
        written.set_exception(error)
    else:
        written.set_result(None)

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
        """Write some of *data*, at least one byte; return how many bytes were written."""


@contextmanager
def feeding(sink: Sink) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that queues bytes for *sink* without waiting; after the block, wait for all writes.

    Speech is synthesized faster than it is played, and the time limits of synthesis must not count the
    difference. If the block raises, remaining bytes are not waited for.

    Raises:
        OSError: *sink* cannot be written; the yielded function raises it too.
    """
    pieces, written = SimpleQueue[bytes](), Future[None]()
    # A daemon thread, because it may be stuck in a write when Ctrl-C ends the program.
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
    except Exception as error:  # noqa: BLE001  # raised again in the thread that supplies the bytes
        written.set_exception(error)
    else:
        written.set_result(None)

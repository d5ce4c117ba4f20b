"""A worker's printed output, as lines for the log."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

MAX_LINE_BYTES: Final = 1000
"""The rest of a longer line is dropped."""
MAX_LINES_PER_S: Final = 100
"""Further lines are counted, not kept: an engine in a printing loop must not keep the hub busy."""
_READ_BYTES: Final = 64 * 1024


class OutputReader:
    """Reads one of a worker's output pipes until `close`; owns the descriptor.

    It must be created and closed in the event loop.
    """

    def __init__(self, fd: int, on_line: Callable[[str], None], on_dropped: Callable[[int], None]) -> None:
        """Start to read.

        Args:
            fd: Read end of the pipe.
            on_line: Called with each line, cut to `MAX_LINE_BYTES`.
            on_dropped: Called with the number of lines above the limit in one second.
        """
        self._fd = fd
        self._on_line = on_line
        self._on_dropped = on_dropped
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._second = 0.0
        self._lines = 0
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def close(self) -> None:
        """Read what is still in the pipe, and close it; for use when the worker has ended."""
        if self._fd < 0:
            return
        # Bounded, because a process that left the worker's group could keep writing without end.
        for _ in range(64):
            if not self._read():
                break
        self._take(b"\n" if self._rest else b"")
        self._report_dropped()
        self._detach()

    def _read(self) -> bool:
        """Read once; return whether more may follow."""
        if self._fd < 0:
            return False
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, _READ_BYTES)
            if not data:
                self._loop.remove_reader(self._fd)  # end of file: always readable from now on
        self._take(data)
        return bool(data)

    def _take(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        # A progress bar rewrites its line after each \r: keep only the final text.
        self._rest = rest[rest.rfind(b"\r") + 1 :][:MAX_LINE_BYTES]
        for line in lines:
            self._emit(line.rstrip(b"\r"))

    def _emit(self, line: bytes) -> None:
        now = self._loop.time()
        if now - self._second >= 1:
            self._report_dropped()
            self._second, self._lines = now, 0
        self._lines += 1
        if self._lines <= MAX_LINES_PER_S:
            text = line[line.rfind(b"\r") + 1 :][:MAX_LINE_BYTES].decode(errors="replace").rstrip()
            if text:
                self._on_line(text)

    def _report_dropped(self) -> None:
        if (dropped := self._lines - MAX_LINES_PER_S) > 0:
            self._on_dropped(dropped)
            self._lines = MAX_LINES_PER_S

    def _detach(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1


class Printed:
    """Logs a worker's lines, and remembers the last one; lives as long as the worker."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.log = log
        self.working = False
        """Whether the engine has its model, so that it may print users' texts."""
        self._last_line = ""

    def line(self, stream: str, line: str) -> None:
        """Log a line from ``stdout`` or ``stderr``."""
        self._last_line = line
        # An engine that prints while it works may print what was said; show that only for debugging.
        say = self.log.debug if self.working else self.log.info
        say("worker output", stream=stream, line=line)

    def dropped(self, stream: str, lines: int) -> None:
        """Log how many lines were dropped."""
        self.log.warning("worker output dropped", stream=stream, lines=lines)

    def with_last_line(self, message: str) -> str:
        """Add the last printed line; only before the engine has worked, so that no user text leaks."""
        return f"{message} It said: {self._last_line}" if self._last_line else message

"""Progress: a bar on a terminal, an occasional line anywhere else."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import click

LINE_EVERY_S: Final = 5.0
"""Longest time between two lines, however little has arrived."""
LINE_EVERY: Final = 0.1
"""Share of the whole after which there is a line."""
LEAST_S: Final = 1.0
"""Shortest time between two lines."""


class OnProgress(Protocol):
    """Shows the progress of a transfer."""

    def __call__(
        self, done_bytes: int, total_bytes: int | None, /, *, fetched_bytes: int, waiting: str = ""
    ) -> None:
        """Take the bytes done, the total if known, the bytes fetched by this run, and why it waits."""


class ProgressLines:
    """Decides when to print a line of progress, and words it: bytes, total and speed."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._began_s = self._last_s = clock()
        self._done_bytes = 0
        self._total_bytes: int | None = None
        self._fetched_bytes = 0
        self._last_done = self._last_fetched = 0

    def advance(self, done_bytes: int, total_bytes: int | None, *, fetched_bytes: int) -> str | None:
        """Take the current progress; return a line if it is time for one."""
        self._done_bytes, self._total_bytes, self._fetched_bytes = done_bytes, total_bytes, fetched_bytes
        since_s = self._clock() - self._last_s
        step = (total_bytes or 0) * LINE_EVERY
        worth = bool(step) and done_bytes - self._last_done >= step
        if since_s < LINE_EVERY_S and not (worth and since_s >= LEAST_S):
            return None
        speed = (fetched_bytes - self._last_fetched) / since_s
        self._last_s += since_s
        self._last_done, self._last_fetched = done_bytes, fetched_bytes
        return self._line(speed, left=True)

    def end(self) -> str | None:
        """Return the last line; None if nothing was fetched."""
        took_s = max(self._clock() - self._began_s, 0.001)
        return self._line(self._fetched_bytes / took_s, left=False) if self._fetched_bytes else None

    def _line(self, speed: float, *, left: bool) -> str:
        from speechhub.cli._tables import readable

        told = [readable(self._done_bytes)]
        if self._total_bytes:
            share = self._done_bytes / self._total_bytes
            told = [f"{told[0]} of {readable(self._total_bytes)}", f"{share:.0%}"]
        told.append(f"{readable(round(speed))}/s")
        if left and self._total_bytes and speed > 0:
            told.append(f"{_duration((self._total_bytes - self._done_bytes) / speed)} left")
        return f"{self._title}: {', '.join(told)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@contextmanager
def progress(title: str) -> Iterator[OnProgress]:
    """Show progress on standard error; reasons for waiting are always printed as lines."""
    from speechhub.cli._terminal import animated

    with _bar(title) if animated(sys.stderr) else _lines(title) as show:
        yield show


@contextmanager
def _lines(title: str) -> Iterator[OnProgress]:
    lines = ProgressLines(title)

    def show(done_bytes: int, total_bytes: int | None, /, *, fetched_bytes: int, waiting: str = "") -> None:
        if waiting:
            click.echo(f"{title}: {waiting}", err=True)
        if line := lines.advance(done_bytes, total_bytes, fetched_bytes=fetched_bytes):
            click.echo(line, err=True)

    yield show
    if line := lines.end():
        click.echo(line, err=True)


@contextmanager
def _bar(title: str) -> Iterator[OnProgress]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from speechhub.cli._terminal import console

    shown = console(sys.stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown, transient=True) as bars:
        bar = bars.add_task(title, total=None)

        def show(
            done_bytes: int,
            total_bytes: int | None,
            /,
            *,
            fetched_bytes: int,  # noqa: ARG001  # the bar measures for itself
            waiting: str = "",
        ) -> None:
            bars.update(bar, completed=done_bytes, total=total_bytes)
            if waiting:
                shown.print(f"{title}: {waiting}", markup=False, soft_wrap=True)

        yield show

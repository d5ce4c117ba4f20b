"""The display while a recording is transcribed: progress, and the text as it comes."""

import sys
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from types import TracebackType


class Hearing:
    """The display of one recording in progress; shows nothing in pipes and files."""

    def __init__(self, title: str, *, speaks: bool) -> None:
        """Begin to show *title*; *speaks* asks to print the text as it arrives."""
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from speechhub.cli._terminal import animated, console

        self.watched = animated(sys.stderr)
        """Whether progress is shown to a person."""
        self.live = speaks and animated(sys.stdout)
        """Whether the text is printed as it arrives."""
        self.printed = False
        """Whether part of the text has been printed."""
        self.warnings: list[str] = []
        """Problems with the recording; shown at the end."""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console(sys.stderr),
            transient=True,
            disable=not self.watched,
        )
        self._title = title
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: "TracebackType | None"
    ) -> None:
        self._progress.stop()
        if self.printed:
            click.echo()
        for warning in self.warnings:
            click.echo(f"{self._title}: {warning}", err=True)

    @property
    def wanted(self) -> bool:
        """Whether pieces of text are shown to a person."""
        return self.watched or self.live

    def heard(self, piece: str, done_s: float = 0.0) -> None:
        """Show a piece of the text, and how much of the recording is done."""
        if self.live:
            self._progress.stop()  # from now on the text is the progress
            self.printed = self.printed or bool(piece)
            click.echo(piece, nl=False)
        elif done_s:
            minutes, seconds = divmod(int(done_s), 60)
            self._progress.update(
                self._task, description=f"{self._title}: {minutes}:{seconds:02} transcribed"
            )

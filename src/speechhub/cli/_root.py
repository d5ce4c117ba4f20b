"""The outcome of a command: one line for what went wrong, and an exit status."""

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from speechhub.cli._terminal import colour_wish
from speechhub.errors import SpeechhubError

FAILED: Final = 1
INTERRUPTED: Final = 130
"""128 plus the number of SIGINT, as in shells."""
STATUSES: Final = {
    0: "done",
    FAILED: "failed; one line on standard error says why and what to do",
    2: "called wrongly; nothing was done",
    INTERRUPTED: "interrupted by Ctrl-C",
    143: "ended by SIGTERM",
}
"""Exit status → meaning."""


class _Interrupted(click.ClickException):
    exit_code = INTERRUPTED


class RootGroup(click.Group):
    """Turns errors into one clear line and an exit status: a traceback is for bugs."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that *args* name, and end the process with its exit status."""
        _open_standard_streams()
        extra.setdefault("color", colour_wish())
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)
        status: object
        try:
            status = super().main(
                args, prog_name or "speechhub", complete_var, standalone_mode=False, **extra
            )
        except _Interrupted as error:
            status = _interrupted(error.exit_code)
        except click.Abort as error:
            status = _aborted(error)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            status = error.exit_code
        except click.ClickException as error:
            status = _fail(_wrong_call(error), error.exit_code)
        except SpeechhubError as error:
            status = _fail(error.message)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output has left; click handles that silently
                raise
            status = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; distinguish Ctrl-C from what click calls aborted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            # It can arrive while asyncio shuts down, between creating a coroutine and starting it.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            raise _Interrupted("interrupted") from error


def _open_standard_streams() -> None:
    """Open standard streams that are closed, such as by ``2>&-``, on /dev/null.

    Otherwise the next file or socket would get the stream's number, and receive what programs print there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # takes the lowest free number


def tell_error(message: str) -> None:
    """Print what went wrong, on one line of standard error."""
    from speechhub.cli._typed import as_typed

    mark = click.style("error:", fg="red", bold=True)
    click.echo(f"{mark} {as_typed(' '.join(message.split()))}", err=True, color=colour_wish())


def _fail(message: str, status: int = FAILED) -> int:
    tell_error(message)
    return status


def _wrong_call(error: click.ClickException) -> str:
    message = error.format_message().rstrip()
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return message
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"{message}{end} See '{error.ctx.command_path} --help'."


def _aborted(error: click.Abort) -> int:
    """Distinguish Ctrl-C at a question from an answer that is not yes."""
    reason = error.__cause__ or error.__context__
    if isinstance(reason, KeyboardInterrupt):
        return _interrupted()
    if isinstance(reason, EOFError) and sys.stderr.isatty():  # Ctrl-D ends no line
        click.echo(err=True)
    return _fail("The answer was not y, so the command stopped.")


def _interrupted(status: int = INTERRUPTED) -> int:
    if sys.stderr.isatty():  # a terminal shows ^C at the end of the line
        click.echo(err=True)
    click.echo("interrupted", err=True)
    return status

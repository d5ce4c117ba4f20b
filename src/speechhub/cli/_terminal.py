"""The terminal's abilities: colours, and lines that are rewritten in place."""

import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console

DUMB: Final = ("dumb", "unknown")


def colour_wish() -> bool | None:
    """Return whether the environment asks for colours or forbids them; None if it does neither.

    Source: no-color.org and force-color.org, where any non-empty value counts.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return False if _is_dumb() else None


def coloured(stream: TextIO) -> bool:
    """Return whether *stream* gets colours: a terminal does, unless the environment says otherwise."""
    wish = colour_wish()
    return stream.isatty() if wish is None else wish


def animated(stream: TextIO) -> bool:
    """Return whether lines on *stream* may be rewritten: on a capable terminal, never in a pipe or a file."""
    return stream.isatty() and not _is_dumb()


def attended() -> bool:
    """Return whether a person can be asked a question: input and errors are both on a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def console(stream: TextIO) -> "Console":
    """Return a console for *stream* that uses what its terminal supports."""
    from rich.console import Console

    return Console(
        file=stream,
        highlight=False,
        color_system="standard" if coloured(stream) else None,
        force_terminal=stream.isatty(),  # FORCE_COLOR asks for colours, not for rewritten lines in a file
    )


def _is_dumb() -> bool:
    return os.environ.get("TERM", "").lower() in DUMB

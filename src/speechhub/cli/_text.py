"""Text given to a command: bytes that are not valid text are refused on input."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from speechhub.errors import InvalidValueError
from speechhub.errors.encoding import fault_of, fault_of_text, marked, without_mark

PATHS: Final[Mapping[str, frozenset[str]]] = {
    "transcribe": frozenset({"files"}),
    "install": frozenset({"engine"}),
}
"""Command → arguments that may be file names, which are bytes to the system and need not be valid text."""


class Text(click.types.StringParamType):
    """A text value: bytes of another encoding are refused before an engine or server sees them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text.

        Raises:
            click.BadParameter: It is not valid text.
        """
        text = super().convert(value, param, ctx)
        if fault := fault_of_text(text):
            self.fail(f"It {fault}.", param, ctx)
        return text


def check_texts(command: click.Command) -> None:
    """Make *command*, and all commands below it, refuse invalid text in text values."""
    free = PATHS.get(command.name or "", frozenset())
    for param in command.params:
        if type(param.type) is click.types.StringParamType and param.name not in free:
            param.type = Text()
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            check_texts(inner)


def read_stdin() -> str:
    """Return the text on standard input, decoded as UTF-8 or as the terminal's locale says.

    Raises:
        InvalidValueError: It is not valid text.
    """
    data = sys.stdin.buffer.read()
    local = (sys.stdin.encoding or "").lower().replace("_", "-")
    encoding = "utf-8" if local in ("", "ascii", "us-ascii", "utf-8", "utf8") else local
    if mark := marked(data):
        encoding = mark.lower()
    fault = fault_of(data) if encoding == "utf-8" else None
    text = ""
    try:
        text = without_mark(data).decode(encoding)
    except (UnicodeDecodeError, LookupError):
        fault = fault or f"is not {encoding} text"
    if "\0" in text and not fault:
        fault = f"has the character U+0000 at position {text.index(chr(0))}, which text may not contain"
    if fault:
        raise InvalidValueError(f"The text on standard input {fault}.", param="input")
    return text

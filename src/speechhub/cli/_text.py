"""Text that a person gives to a command: bytes that are no text are refused where they come in."""

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
"""Command → arguments that may be names of files, which are bytes to the system and need be no text."""


class Text(click.types.StringParamType):
    """A value that is text: an argument with bytes of another encoding reaches no engine and no server."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text.

        Raises:
            click.BadParameter: It is none.
        """
        text = super().convert(value, param, ctx)
        if fault := fault_of_text(text):
            self.fail(f"It {fault}.", param, ctx)
        return text


def check_texts(command: click.Command) -> None:
    """Have *command*, and all below it, refuse values that are no text where they want one."""
    free = PATHS.get(command.name or "", frozenset())
    for param in command.params:
        if type(param.type) is click.types.StringParamType and param.name not in free:
            param.type = Text()
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            check_texts(inner)


def read_stdin() -> str:
    """Return the text that standard input has, in UTF-8, or in what the terminal's locale says.

    Raises:
        InvalidValueError: It is no text.
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
        fault = fault or f"is no {encoding} text"
    if "\0" in text and not fault:
        fault = f"has the character U+0000 at position {text.index(chr(0))}, which no text may have"
    if fault:
        raise InvalidValueError(f"The text on standard input {fault}.", param="input")
    return text

"""Excerpts of what clients wrote, as long as a message or a line of the log needs.

A client chooses names, paths and values, and their length: a model name of ten megabytes must neither fill
the log nor be repeated in the error.

Standard library only: workers import this package.
"""

from typing import Final

MAX_CHARS: Final = 100
"""How much of a text is shown: enough to recognise a name, a path or a language."""
MAX_MESSAGE_CHARS: Final = 4_000
"""Longest message of an error, and longest text in a line of the log except tracebacks: lists of models and
voices are long."""


def excerpt(text: str, most: int = MAX_CHARS) -> str:
    """Return *text*; if it is longer than *most* characters, its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def quoted(text: str, most: int = MAX_CHARS) -> str:
    """Return an excerpt of *text* as Python writes it: in quotes, with invisible characters escaped."""
    return repr(text) if len(text) <= most else f"{text[:most] + '…'!r} ({len(text)} characters)"

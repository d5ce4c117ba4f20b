"""Structured logs on standard error: one line per event, constant text, values as keys.

They never contain personal data: no transcript, no input text, no audio, no key.
"""

import contextlib
import logging
import reprlib
import sys
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Final, Literal, TextIO

import structlog

from speechhub.errors.excerpt import MAX_MESSAGE_CHARS, excerpt

MAX_DEPTH: Final = 3
MAX_ITEMS: Final = 50
"""How many levels of a list or table are shown, and how many items of each."""
MAX_BITS: Final = 64
"""Largest size of a number that is shown."""
_TRACEBACKS: Final = frozenset({"exception", "exc_info", "stack", "_record", "_from_structlog"})
"""Keys whose values may be longer, or belong to structlog."""


def configure_logging(
    level: str,
    style: Literal["auto", "console", "json"],
    *,
    coloured: bool | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Send structlog's and the standard library's records to standard error in one format.

    A line that cannot be written is lost without an error: the reader of a pipe may have left, a disk may be
    full, a terminal may be gone.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        style: ``console`` for people, ``json`` for programs; ``auto`` is ``console`` on a terminal.
        coloured: Whether ``console`` has colours; by default if standard error is a terminal.
        labels: Keys and values that every line has, such as the name of this process among several.
    """
    output = _Output(sys.stderr)
    console = style == "console" or (style == "auto" and output.isatty())
    shared: list[structlog.typing.Processor] = [
        partial(_labelled, labels or {}),
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        _bounded,
    ]
    # By default, both would show the local variables of every frame, and with them users' text.
    renderer: list[structlog.typing.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=output.isatty() if coloured is None else coloured,
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if console
        else [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),  # type: ignore[arg-type]  # it writes and flushes
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # At INFO, libraries repeat what our own lines already say.
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


class _Output:
    """A stream that drops lines that cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write *text* if possible."""
        with contextlib.suppress(OSError, ValueError):  # a ValueError means a closed stream
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream if possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False


def _labelled(
    labels: Mapping[str, str], logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the labels; what the line itself says under such a key stays."""
    del logger, method
    return {**labels, **event}


def _bounded(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut long values, and escape control characters for terminals: clients choose names and paths."""
    del logger, method
    return {key: value if key in _TRACEBACKS else _shown(value, MAX_DEPTH) for key, value in event.items()}


def _shown(value: object, depth: int) -> object:
    match value:
        case str():
            text = excerpt(value, MAX_MESSAGE_CHARS)
            return text if text.isprintable() else "".join(map(_visible, text))
        case dict() if depth:
            return {
                str(_shown(key, 0)): _shown(item, depth - 1) for key, item in islice(value.items(), MAX_ITEMS)
            }
        case list() | tuple() if depth:
            return [_shown(item, depth - 1) for item in islice(value, MAX_ITEMS)]
        case None | bool() | float():
            return value
        case int():  # Python refuses to print numbers of more than 4300 digits
            return value if value.bit_length() <= MAX_BITS else f"a number of {value.bit_length()} bits"
        case _:
            return excerpt(reprlib.repr(value), MAX_MESSAGE_CHARS)


def _visible(char: str) -> str:
    """Return a character, or its escape if it moves the cursor, colours a line or changes text direction."""
    return char if char.isprintable() or char in "\n\t" else repr(char)[1:-1]

"""Structured logs on standard error: one line per event, constant text, values as keys.

Personal data never goes in: no transcript, no input text, no audio, no key.
"""

import contextlib
import logging
import reprlib
import sys
from itertools import islice
from typing import Final, Literal, TextIO

import structlog

from speechhub.errors.excerpt import MAX_MESSAGE_CHARS, excerpt

MAX_DEPTH: Final = 3
MAX_ITEMS: Final = 50
"""How deep, and how many items of, a list or table is shown."""
MAX_BITS: Final = 64
"""Size of numbers that are shown."""
_TRACEBACKS: Final = frozenset({"exception", "exc_info", "stack", "_record", "_from_structlog"})
"""What may be longer, or is structlog's own."""


def configure_logging(
    level: str, style: Literal["auto", "console", "json"], *, coloured: bool | None = None
) -> None:
    """Send structlog's and the standard library's records to standard error in one form.

    A line that cannot be written is lost, and the work that it tells of goes on: the reader of a pipe may
    have left, a disk may be full, a terminal may be gone.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        style: ``console`` for people, ``json`` for machines; ``auto`` looks whether a person watches.
        coloured: Whether ``console`` has colours; by default if standard error is a terminal.
    """
    output = _Output(sys.stderr)
    console = style == "console" or (style == "auto" and output.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        _bounded,
    ]
    # Both would show the local variables of every frame, and with them what was said.
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
    # Libraries talk at INFO about what our own lines already say.
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


class _Output:
    """A stream that lines may be lost on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write *text* if that can be done."""
        with contextlib.suppress(OSError, ValueError):  # a ValueError is a stream that was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Have what was written leave, if that can be done."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether a terminal shows it."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False


def _bounded(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut what is long, and write out what a terminal would obey: clients choose names and paths."""
    del logger, method
    return {key: it if key in _TRACEBACKS else _shown(it, MAX_DEPTH) for key, it in event.items()}


def _shown(value: object, depth: int) -> object:
    match value:
        case str():
            text = excerpt(value, MAX_MESSAGE_CHARS)
            return text if text.isprintable() else "".join(map(_visible, text))
        case dict() if depth:
            return {
                str(_shown(key, 0)): _shown(it, depth - 1) for key, it in islice(value.items(), MAX_ITEMS)
            }
        case list() | tuple() if depth:
            return [_shown(it, depth - 1) for it in islice(value, MAX_ITEMS)]
        case None | bool() | float():
            return value
        case int():  # Python writes out no number of more than 4300 digits
            return value if value.bit_length() <= MAX_BITS else f"a number of {value.bit_length()} bits"
        case _:
            return excerpt(reprlib.repr(value), MAX_MESSAGE_CHARS)


def _visible(char: str) -> str:
    """Return a character, or the escape of one that moves a cursor, colours a line or turns its direction."""
    return char if char.isprintable() or char in "\n\t" else repr(char)[1:-1]

"""Structured logs on standard error: one line per event, constant text, values as keys.

Personal data never goes in: no transcript, no input text, no audio, no key.
"""

import logging
import sys
from typing import Literal

import structlog


def configure_logging(
    level: str, style: Literal["auto", "console", "json"], *, coloured: bool | None = None
) -> None:
    """Send structlog's and the standard library's records to standard error in one form.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        style: ``console`` for people, ``json`` for machines; ``auto`` looks whether a person watches.
        coloured: Whether ``console`` has colours; by default if standard error is a terminal.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
    ]
    # Both would show the local variables of every frame, and with them what was said.
    renderer: list[structlog.typing.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty() if coloured is None else coloured,
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
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

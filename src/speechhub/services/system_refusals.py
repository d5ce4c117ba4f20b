"""Refusals of the operating system, as requests end with them, over whatever protocol they come."""

import tempfile

import structlog

from speechhub.errors import DiskFullError, ExhaustedError, UnavailableError
from speechhub.errors.unavailable import DISK_FULL, EXHAUSTED

log = structlog.get_logger()


def system_refusal(error: OSError, *, path: str) -> UnavailableError | None:
    """Return what a request ends with, and log what the operator can do; None if *error* is a bug.

    Args:
        error: What the system said.
        path: What the request asked for, as the log has it.
    """
    if error.errno in EXHAUSTED:
        log.error(
            "no descriptors or memory left",
            path=path,
            error=str(error),
            remedy="raise the limit of open files (ulimit -n, LimitNOFILE=), or lower connection_limit",
        )
        return ExhaustedError()
    if error.errno in DISK_FULL:
        log.error("disk is full", path=path, file=error.filename, temporary=tempfile.gettempdir())
        return DiskFullError()
    return None

"""The place that an exception came from, without the frames of Python's import machinery.

An import that fails passes half a dozen frames called ``<frozen importlib._bootstrap>``; none of them helps.

Standard library only: workers import this module.
"""

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

_IMPORTLIB: Final = (f"{Path(importlib.__file__).parent}{os.sep}", "<frozen importlib")
"""What the file names of Python's import machinery begin with."""


def import_fault(error: BaseException, module: str) -> str:
    """Say in one line why *module* cannot be imported: the error, and the place in its package.

    Args:
        error: What was caught around the import.
        module: What was imported, such as ``speechhub_echo.stt``.
    """
    said = one_line(error)
    cause = error.__cause__
    while cause is not None and not isinstance(cause, ModuleNotFoundError):
        cause = cause.__cause__
    if cause is not None:  # libraries like to hide which module is missing behind a sentence of their own
        said += f", because of {one_line(cause)}"
    place = _place(error.__traceback__, module.partition(".")[0])
    return f"{said} (in {place})" if place else said


def one_line(error: BaseException) -> str:
    """Return the error's class and what it says, without its line breaks."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def calls(error: BaseException) -> traceback.StackSummary:
    """Return the calls that *error* came through, outermost first, without those of the import machinery."""
    return traceback.extract_tb(without_importlib(error.__traceback__))


def readable(error: BaseException) -> None:
    """Take the frames of the import machinery out of the tracebacks of *error* and of what caused it."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = without_importlib(link.__traceback__)
        link = link.__cause__ or link.__context__


def without_importlib(found: TracebackType | None) -> TracebackType | None:
    """Return a traceback like *found*, without the frames of the import machinery."""
    kept: TracebackType | None = None
    entries: list[TracebackType] = []
    while found is not None:
        entries.append(found)
        found = found.tb_next
    for entry in reversed(entries):
        if not _is_importlib(entry.tb_frame):
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _place(found: TracebackType | None, package: str) -> str:
    """Name the innermost call inside an import, and the innermost one of *package*, if that is another."""
    entries = list(traceback.walk_tb(found))
    while entries and not _is_importlib(entries[0][0]):  # what called the import
        del entries[0]
    inside = [(frame, line) for frame, line in entries if not _is_importlib(frame)]
    own = [it for it in inside if _package(it[0]) == package]
    # A check of ours that the plugin did not pass is of no interest to its author; the line with it is.
    shown = [it for it in inside[-1:] if not own or _package(it[0]) not in (package, "speechhub")]
    return " ← ".join(f"{_short(frame)}:{line}" for frame, line in [*shown, *own[-1:]])


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _short(frame: FrameType) -> str:
    """Return the frame's file as it is called below the folders that Python imports from."""
    name = frame.f_code.co_filename
    roots = [f"{root.rstrip(os.sep)}{os.sep}" for root in sys.path if root]
    return name.removeprefix(max((root for root in roots if name.startswith(root)), key=len, default=""))


def _is_importlib(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_IMPORTLIB)

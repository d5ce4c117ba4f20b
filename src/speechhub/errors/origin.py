"""The place that an exception came from, without the frames of Python's import machinery.

A failed import passes half a dozen frames called ``<frozen importlib._bootstrap>``, which do not help.

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
"""Beginnings of the file names of Python's import machinery."""


def import_fault(error: BaseException, module: str) -> str:
    """Say in one line why *module* cannot be imported: the error, and the place in its package.

    Args:
        error: The exception that the import raised.
        module: The imported module, such as ``speechhub_echo.stt``.
    """
    said = one_line(error)
    cause = error.__cause__
    while cause is not None and not isinstance(cause, ModuleNotFoundError):
        cause = cause.__cause__
    if cause is not None:  # libraries often hide which module is missing behind their own message
        said += f", because of {one_line(cause)}"
    place = _place(error.__traceback__, module.partition(".")[0])
    return f"{said} (in {place})" if place else said


def one_line(error: BaseException) -> str:
    """Return the error's class and message, on one line."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def calls(error: BaseException) -> traceback.StackSummary:
    """Return the calls in *error*'s traceback, outermost first, without those of the import machinery."""
    return traceback.extract_tb(without_importlib(error.__traceback__))


def readable(error: BaseException) -> None:
    """Remove the frames of the import machinery from the tracebacks of *error* and of its causes."""
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
    """Name the innermost call inside an import, and the innermost call of *package* if it differs."""
    entries = list(traceback.walk_tb(found))
    while entries and not _is_importlib(entries[0][0]):  # callers of the import
        del entries[0]
    inside = [(frame, line) for frame, line in entries if not _is_importlib(frame)]
    own = [entry for entry in inside if _package(entry[0]) == package]
    # A plugin's author needs the line of the plugin that failed one of our checks, not the check itself.
    shown = [entry for entry in inside[-1:] if not own or _package(entry[0]) not in (package, "speechhub")]
    return " ← ".join(f"{_short(frame)}:{line}" for frame, line in [*shown, *own[-1:]])


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _short(frame: FrameType) -> str:
    """Return the frame's file name, relative to the folder that Python imported it from."""
    name = frame.f_code.co_filename
    roots = [f"{root.rstrip(os.sep)}{os.sep}" for root in sys.path if root]
    return name.removeprefix(max((root for root in roots if name.startswith(root)), key=len, default=""))


def _is_importlib(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_IMPORTLIB)

"""Folders that appear whole and disappear at once, whenever the power goes.

A folder is put together in ``.staging`` on the same file system, flushed to disk, and renamed into place;
one that is deleted is first renamed back there. All writers hold one lock, so whatever lies in ``.staging``
when a writer gets it was left by one that died.

What is not a folder where one should be, or cannot be deleted, is moved aside; links are never followed.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from speechhub.errors.unavailable import DISK_FULL, EXHAUSTED
from speechhub.file_lock import file_lock
from speechhub.home import keep_aside

log = structlog.get_logger()

PASSING: Final = frozenset({*EXHAUSTED, *DISK_FULL, errno.EIO, errno.EROFS})
"""Errors that say nothing of the file or folder in question."""
LOCK_S: Final = 5.0
"""How long a change waits for those of others."""


@contextmanager
def writing(root: Path, *, patience_s: float) -> Iterator[Path]:
    """Hold the right to change what is under *root*, against threads and processes alike; waits for it.

    Yields the staging folder, empty. The kernel lets go of the lock when its holder dies, however it dies.

    Args:
        root: Made if need be.
        patience_s: How long to wait for others that hold the right; a change takes milliseconds.

    Raises:
        LockTakenError: Another process has held it for as long: one that is stopped, or hangs.
        OSError: Nothing can be written there.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = root / ".lock"
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        keep_aside(path)
    with file_lock(path, limit_s=patience_s, mode=0o600):
        yield _emptied(root / ".staging")


def publish(files: Mapping[str, bytes], folder: Path, staging: Path) -> None:
    """Make *folder* with *files* in it: all of them, or no folder.

    Raises:
        OSError: It exists, or the disk is full.
    """
    making = staging / folder.name
    making.mkdir()
    with _flushed(making):
        for name, data in files.items():
            _write(making / name, data)
    folder.parent.mkdir(exist_ok=True)
    with _flushed(folder.parent):
        making.rename(folder)


def replace(path: Path, data: bytes, staging: Path) -> None:
    """Make a file, or put another in its place."""
    _write(staging / path.name, data)
    path.parent.mkdir(exist_ok=True)
    with _flushed(path.parent):
        (staging / path.name).replace(path)


def discard(folder: Path, staging: Path) -> None:
    """Delete a folder, at once; what cannot be deleted is out of use all the same, and the log names it."""
    with _flushed(folder.parent):
        folder.rename(staging / folder.name)
    try:
        shutil.rmtree(staging / folder.name)
    except OSError as error:
        log.error("cannot delete a folder; delete it by hand", path=error.filename, error=error.strerror)


def _emptied(staging: Path) -> Path:
    """Return the staging folder, with nothing in it."""
    if os.path.lexists(staging):
        try:
            shutil.rmtree(staging)
        except OSError as error:
            if error.errno in PASSING:  # what was deleted must not be kept for want of a moment
                raise
            keep_aside(staging)  # a file, a link, or with something in it that belongs to another user
    staging.mkdir(mode=0o700)
    return staging


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _flushed(folder: Path) -> Iterator[None]:
    """Flush to disk what is done in *folder*; it is opened first: nothing is done that is not told."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Folders that are created and deleted atomically, even if the power fails.

A folder is assembled in ``.staging`` on the same file system, flushed to disk, and renamed into place; to
delete one, it is first renamed back there. All writers hold one lock, so anything in ``.staging`` when a
writer gets the lock was left by a writer that died.

Anything other than a folder in a folder's place, or that cannot be deleted, is moved aside; links are never
followed.
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
"""Errors that are not caused by the file or folder itself."""
LOCK_S: Final = 5.0
"""How long a change waits for changes by others."""


@contextmanager
def writing(root: Path, *, patience_s: float) -> Iterator[Path]:
    """Lock *root* against changes by other threads and processes; wait for the lock.

    Yields the staging folder, empty. The kernel releases the lock when its holder dies, however it dies.

    Args:
        root: Created if needed.
        patience_s: How long to wait for other holders; a change takes milliseconds.

    Raises:
        LockTakenError: Another process has held the lock for that long: it is stopped, or hangs.
        OSError: The folder cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = root / ".lock"
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        keep_aside(path)
    with file_lock(path, limit_s=patience_s, mode=0o600):
        yield _emptied(root / ".staging")


def publish(files: Mapping[str, bytes], folder: Path, staging: Path) -> None:
    """Create *folder* with *files* in it: with all of them, or not at all.

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
    """Create a file, or replace an existing one."""
    _write(staging / path.name, data)
    path.parent.mkdir(exist_ok=True)
    with _flushed(path.parent):
        (staging / path.name).replace(path)


def discard(folder: Path, staging: Path) -> None:
    """Delete a folder at once; if it cannot be deleted, it is still out of use, and the log names it."""
    with _flushed(folder.parent):
        folder.rename(staging / folder.name)
    try:
        shutil.rmtree(staging / folder.name)
    except OSError as error:
        log.error("cannot delete a folder; delete it by hand", path=error.filename, error=error.strerror)


def _emptied(staging: Path) -> Path:
    """Return the staging folder, emptied."""
    if os.path.lexists(staging):
        try:
            shutil.rmtree(staging)
        except OSError as error:
            if error.errno in PASSING:  # a passing error must not keep what was deleted
                raise
            keep_aside(staging)  # a file, a link, or a folder that contains another user's files
    staging.mkdir(mode=0o700)
    return staging


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _flushed(folder: Path) -> Iterator[None]:
    """Flush changes in *folder* to disk; open it first, so that no change is made that cannot be flushed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

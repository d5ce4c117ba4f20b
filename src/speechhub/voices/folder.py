"""Folders that appear whole and disappear at once, whenever the power goes.

A folder is put together in ``.staging`` on the same file system, flushed to disk, and renamed into place;
one that is deleted is first renamed back there. All writers hold one lock, so whatever lies in ``.staging``
when a writer gets it was left by one that died.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(root: Path) -> Iterator[Path]:
    """Hold the right to change what is under *root*, against threads and processes alike; waits for it.

    Yields the staging folder, empty. The kernel lets go of the lock when its holder dies, however it dies.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        staging = root / ".staging"
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir()
        yield staging
    finally:
        os.close(descriptor)


def publish(files: Mapping[str, bytes], folder: Path, staging: Path) -> None:
    """Make *folder* with *files* in it: all of them, or no folder.

    Raises:
        OSError: It exists, or the disk is full.
    """
    making = staging / folder.name
    making.mkdir()
    for name, data in files.items():
        _write(making / name, data)
    _flush_folder(making)
    folder.parent.mkdir(exist_ok=True)
    making.rename(folder)
    _flush_folder(folder.parent)


def replace(path: Path, data: bytes, staging: Path) -> None:
    """Make a file, or put another in its place."""
    _write(staging / path.name, data)
    path.parent.mkdir(exist_ok=True)
    (staging / path.name).replace(path)
    _flush_folder(path.parent)


def discard(folder: Path, staging: Path) -> None:
    """Delete a folder, at once."""
    folder.rename(staging / folder.name)
    _flush_folder(folder.parent)
    shutil.rmtree(staging / folder.name)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Cache of features computed from custom voices: one folder per model, limited in size."""

import errno
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import structlog

from speechhub.paths import below
from speechhub.store.layout import safe_name

log = structlog.get_logger()

DIGEST_CHARS: Final = 64
"""Length of the digest that a file's name begins with."""


class ReferenceCache:
    """The folders that `LoadContext.cache_dir` names; one instance per process, several may share a home.

    Engines may write into them at any time; only the hub deletes. The methods block.
    """

    def __init__(self, root: Path, *, limit_bytes: int, digests: Callable[[], Collection[str]]) -> None:
        """Create nothing yet.

        Args:
            root: Folder that contains the models' folders.
            limit_bytes: Size of all of them together after a `sweep`; 0 means that nothing is kept.
            digests: Returns the digests of the voices that the library holds now; raises OSError if they
                cannot be determined.
        """
        self._root = root
        self._limit_bytes = limit_bytes
        self._digests = digests

    def folder(self, model: str) -> Path | None:
        """Return the folder of *model*, created if needed; None if nothing should be or can be kept."""
        if not self._limit_bytes:
            return None
        folder = self._folder(model)
        try:
            for path in (self._root.parent, self._root, folder):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
                if path != self._root.parent and path.is_symlink():
                    raise NotADirectoryError(errno.ENOTDIR, "it is a symbolic link", str(path))
        except OSError as error:
            log.warning("the features of voices cannot be cached", folder=str(folder), error=str(error))
            return None
        return folder

    def _folder(self, model: str) -> Path:
        return below(self._root, safe_name(model), links_out=True)

    def used(self, model: str, digests: Collection[str]) -> None:
        """Record that *model* is about to use its cached features of these voices."""
        wanted = tuple(digests)
        for path in _files(self._folder(model)) if wanted else ():
            if path.name.startswith(wanted):
                _try(lambda path=path: os.utime(path, follow_symlinks=False))  # type: ignore[misc]  # bound now

    def sweep(self) -> None:
        """Delete files that belong to no voice of the library, then the least recently used above the limit.

        Links are not followed: their targets are not ours to delete. If the library cannot be read, nothing
        is deleted, because every file may belong to a voice.
        """
        # List the files first: those of a voice that is added meanwhile must not look unowned.
        found = [path for folder in _folders(self._root) for path in _files(folder)]
        if not found:
            return
        try:
            known = set(self._digests())
        except OSError as error:
            log.warning("cannot tidy the cached features of voices", error=str(error))
            return
        kept: list[tuple[int, int, Path]] = []
        for path in found:
            if path.name[:DIGEST_CHARS] not in known:
                _try(path.unlink)
                continue
            try:
                stat = path.lstat()
            except OSError:
                continue
            kept.append((stat.st_mtime_ns, stat.st_size, path))
        left_bytes = self._limit_bytes
        for _, size_bytes, path in sorted(kept, reverse=True):
            left_bytes -= size_bytes
            if left_bytes < 0:
                _try(path.unlink)


def _folders(folder: Path) -> list[Path]:
    """Return the folders in *folder*, without links; none if *folder* is not a folder itself."""
    try:
        if folder.is_symlink():
            return []
        with os.scandir(folder) as entries:
            return [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    """Return everything in *folder* that is not a folder: files, links and special files."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry) for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _try(change: Callable[[], None]) -> None:
    """Do it, unless it was already done, or the disk does not allow it."""
    try:
        change()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("cannot tidy the cached features of voices", error=str(error))

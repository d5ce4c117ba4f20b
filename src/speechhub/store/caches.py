"""Engines' own folders, for what they build once: only the server's user may write there.

An engine may keep pickles in its folder, and reading a pickle runs its code. So these folders are separate
from those that downloads fill or containers share, and a folder that another user can write is not used.
"""

import os
import stat
from pathlib import Path

import structlog

from speechhub.store.layout import safe_name

log = structlog.get_logger()


class EngineCaches:
    """The folders that `LoadContext.work_dir` names; one instance per process, several may share a home."""

    def __init__(self, root: Path) -> None:
        """Create nothing yet; *root* contains the folders of all engines."""
        self._root = root

    def folder(self, engine: str) -> Path | None:
        """Return the folder of *engine*, created if needed; None if no safe one can be created. Blocks."""
        folder = self._root / safe_name(engine)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = folder.lstat()
        except OSError as error:
            # Few engines need one, and those report it themselves: a container's root may be read-only.
            log.debug("there is no folder for what an engine builds", folder=str(folder), error=str(error))
            return None
        if not stat.S_ISDIR(found.st_mode) or others_write(found) or not os.access(folder, os.W_OK):
            log.warning(
                "an engine's folder is not used, since another user can write there",
                engine=engine,
                folder=str(folder),
                advice="delete the folder; it will be created again",
            )
            return None
        return folder


def others_write(found: os.stat_result, *, beside_root: bool = False) -> bool:
    """Tell whether another user may change a file or folder; our own group counts as ours.

    Args:
        found: Status of the file or folder.
        beside_root: Whether root counts as ours too, because root may have installed it.
    """
    root = {0} if beside_root else set()
    if found.st_uid not in {os.geteuid(), *root}:
        return True
    by_group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid not in {os.getegid(), *root}
    return by_group or bool(found.st_mode & stat.S_IWOTH)

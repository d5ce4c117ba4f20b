"""Folders of the engines' own, for what they build once: only the server's user may write there.

An engine may keep pickles in its folder, and reading a pickle runs what is in it. So the folders lie apart
from those that downloads fill or containers share, and one that another user can write is not handed out.
"""

import os
import stat
from pathlib import Path

import structlog

from speechhub.store.layout import safe_name

log = structlog.get_logger()


class EngineCaches:
    """The folders that `LoadContext.work_dir` names; one for a process, and for several on one home."""

    def __init__(self, root: Path) -> None:
        """Make nothing yet; *root* is the folder of all engines' folders."""
        self._root = root

    def folder(self, engine: str) -> Path | None:
        """Return the folder of *engine*, made if need be; None if there can be none that is safe. Blocks."""
        folder = self._root / safe_name(engine)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = folder.lstat()
        except OSError as error:
            # Few engines need one, and those say so: the root of a container is read-only.
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
    """Tell whether a user beside ours may change what is there; our own group counts as ours.

    Args:
        found: Of the file or folder.
        beside_root: Whether what root wrote is as good as ours: root may have installed it.
    """
    root = {0} if beside_root else set()
    if found.st_uid not in {os.geteuid(), *root}:
        return True
    by_group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid not in {os.getegid(), *root}
    return by_group or bool(found.st_mode & stat.S_IWOTH)

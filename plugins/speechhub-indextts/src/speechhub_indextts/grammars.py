"""Grammars that put numbers, dates and amounts into words: NeMo's, built once and kept for good.

Building one takes from ten seconds (Chinese) to minutes (Spanish), reading it less than one. Both generations
use the reader of indextts25-inference, which keeps them as pickles: reading one runs what is in it. So they
lie in a folder that no other user can write, and never in the user's cache, which containers may share.
indextts2-inference by itself would write into its own package.
"""

import atexit
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any, Final

from speechhub.engine import EngineLoadError
from speechhub_indextts.settings import IndexTtsSettings

log = logging.getLogger(__name__)
FOLDER: Final = "grammars"
"""In the engine's own folder."""


class Grammar:
    """One language; built, or read, when it is needed first."""

    def __init__(self, language: str, *, active: bool) -> None:
        self._language = language
        self._active = active

    def normalize(self, text: str, verbose: bool = False) -> str:  # noqa: ARG002  # NeMo's signature
        """Return the text with everything in words; as it is, where that is not wanted or cannot be done."""
        if not self._active:
            return text
        return str(_normalizers().normalize(text, self._language))


def prepare_grammars(settings: IndexTtsSettings, work_dir: Path | None) -> dict[str, Any]:
    """Make ready the grammars that the operator wants ready; return all that there are, by language.

    Args:
        settings: The operator's options.
        work_dir: Folder of the engine's own that outlives the process; None if there is none.

    Raises:
        EngineLoadError: Others can write where the operator wants the grammars kept.
    """
    from indextts25.utils import nemo_tn  # noqa: PLC0415  # heavy; packages.py comes first

    if settings.normalization:
        nemo_tn._CACHE_DIR = str(grammar_folder(settings, work_dir))  # noqa: SLF001
        for language in settings.grammars:
            if _normalizers()._get_normalizer(language) is None:  # noqa: SLF001
                log.warning("no grammar for %s: its numbers are spoken as they are written", language)
    return {language: Grammar(language, active=settings.normalization) for language in ("zh", "en", "es")}


def grammar_folder(settings: IndexTtsSettings, work_dir: Path | None) -> Path:
    """Return the folder to keep grammars in.

    Raises:
        EngineLoadError: Others can write in the folder of the operator's choice.
    """
    if settings.grammar_dir:
        chosen = Path(settings.grammar_dir).expanduser()
        for path in (chosen, *chosen.glob("*.pkl")):
            if _others_write(path):
                raise EngineLoadError(
                    f"The option grammar_dir of indextts names {chosen}, but {path} can be changed by other "
                    "users than the server's, and grammars run code when they are read. Make them the "
                    "server's own: chown, and chmod go-w."
                )
        return chosen
    if work_dir is not None:
        return work_dir / FOLDER
    log.warning("there is no folder to keep grammars in: they are built for each load, which takes minutes")
    passing = tempfile.TemporaryDirectory(prefix="speechhub-grammars-")
    atexit.register(passing.cleanup)
    return Path(passing.name)


def _others_write(path: Path) -> bool:
    """Tell whether a user beside ours and root may change what is at *path*; our own group counts as ours."""
    try:
        found = path.stat()
    except OSError:
        return False  # not there: what is made there is ours
    if found.st_uid not in (0, os.geteuid()):
        return True
    by_group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid not in (0, os.getegid())
    return by_group or bool(found.st_mode & stat.S_IWOTH)


def _normalizers() -> Any:
    from indextts25.utils import nemo_tn  # noqa: PLC0415  # as above

    return nemo_tn.get_text_normalizer()

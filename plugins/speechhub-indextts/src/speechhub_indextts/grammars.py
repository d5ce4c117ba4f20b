"""Grammars of NeMo that put numbers, dates and amounts into words; built once and kept.

Building one takes from ten seconds (Chinese) to minutes (Spanish), reading it less than a second. So the
default ones are built when the engine is installed, and lie in its environment; others are built on first
use. Both generations use the reader of indextts25-inference, which keeps grammars as pickles: reading one
runs its code. So they are read only from folders that no other user can write, and never from the user's
cache, which containers may share. indextts2-inference itself would write into its own package.
"""

import atexit
import logging
import os
import pickle
import stat
import tempfile
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from speechhub.engine import EngineLoadError, LoadContext
from speechhub_indextts.settings import IndexTtsSettings

log = logging.getLogger(__name__)
FOLDER: Final = "grammars"
"""Name of the folder in the engine's own."""
LANGUAGES: Final = ("zh", "en", "es")
"""Languages with a grammar, by ISO 639-1 code, which NeMo uses too."""
CASE: Final = "cased"
"""Kind of the reader's grammars, a part of their file names. Source: indextts25/utils/nemo_tn.py."""


class Shelf:
    """The grammars of one process, each read or built when it is needed first."""

    def __init__(
        self, settings: IndexTtsSettings, *, work_dir: Path | None, prebuilt_dir: Path | None
    ) -> None:
        """Choose and check the folders.

        Args:
            settings: The operator's options.
            work_dir: Folder of the engine's own that outlives the process; None if there is none.
            prebuilt_dir: Folder with what `prebuild` built, which only root and our user can write; None if
                there is none.

        Raises:
            EngineLoadError: Other users can write in the folder that the operator chose.
        """
        self._prebuilt = prebuilt_dir
        self._kept = _chosen(settings) or (work_dir / FOLDER if work_dir else None)

    @cached_property
    def folder(self) -> Path:
        """Folder that keeps the grammars which this process builds."""
        if self._kept is not None:
            return self._kept
        log.warning("no folder to keep grammars in; they are built on each load, which takes minutes")
        passing = tempfile.TemporaryDirectory(prefix="speechhub-grammars-")
        atexit.register(passing.cleanup)
        return Path(passing.name)

    def take(self, language: str) -> Any:
        """Return a grammar: from memory, from the installation, from the folder, or built now.

        None if the language has none, or it cannot be built.
        """
        if language not in LANGUAGES:
            return None
        here = _reader().get_text_normalizer()._cache  # noqa: SLF001
        if language not in here and (found := self._read_prebuilt(language)) is not None:
            here[language] = found
        if language not in here:
            if not (self.folder / file_name(language)).exists():
                log.warning(
                    "building the grammar of %s, which can take minutes; if the load times out, raise "
                    "first_load_timeout_s",
                    language,
                )
            _reader()._CACHE_DIR = str(self.folder)  # noqa: SLF001
        return _reader().get_text_normalizer()._get_normalizer(language)  # noqa: SLF001

    def _read_prebuilt(self, language: str) -> Any:
        """Return a grammar that the installation built; None if none fits."""
        if self._prebuilt is None:
            return None
        try:
            with (self._prebuilt / file_name(language)).open("rb") as file:
                return pickle.load(file)  # noqa: S301  # no other user can write there
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001  # a damaged pickle can raise anything
            log.warning("cannot read the grammar of %s that the installation built: %s", language, error)
            return None


class Grammar:
    """The grammar of one language, read or built when it is needed first."""

    def __init__(self, language: str, shelf: Shelf | None) -> None:
        """Take its grammar from *shelf*; None leaves texts as they are."""
        self._language = language
        self._shelf = shelf

    def normalize(self, text: str, verbose: bool = False) -> str:  # noqa: ARG002  # NeMo's signature
        """Return the text with everything in words; unchanged where that is not wanted or not possible."""
        if self._shelf is None or self._shelf.take(self._language) is None:
            return text
        return str(_reader().get_text_normalizer().normalize(text, self._language))


def prepare_grammars(context: LoadContext, settings: IndexTtsSettings) -> dict[str, Any]:
    """Prepare the grammars that the operator names; return the grammars of all languages.

    Args:
        context: Of `load` or `prepare`: where grammars are read and kept.
        settings: The operator's options.

    Raises:
        EngineLoadError: Other users can write in the folder that the operator chose.
    """
    shelf = None
    if settings.normalization:
        shelf = Shelf(settings, work_dir=context.work_dir, prebuilt_dir=context.prebuilt_dir)
        for language in settings.grammars:
            if shelf.take(language) is None:
                log.warning("no grammar for %s: numbers are passed to the model as written", language)
    return {language: Grammar(language, shelf) for language in LANGUAGES}


def prebuild(folder: Path, languages: Sequence[str] = IndexTtsSettings().grammars) -> None:
    """Build grammars, by default those of the default settings.

    Args:
        folder: An empty one, which is `LoadContext.prebuilt_dir` later.
        languages: ISO 639-1 codes.

    Raises:
        EngineLoadError: A grammar could not be written.
    """
    reader = _reader()
    reader._CACHE_DIR = str(folder)  # noqa: SLF001
    for language in languages:
        reader._build_normalizer(language, CASE)  # noqa: SLF001
        if not (folder / file_name(language)).is_file():
            raise EngineLoadError(
                f"The grammar of {language} could not be written to {folder}; is the disk full?"
            )


def file_name(language: str) -> str:
    """Return the name of a grammar's file, with its versions. Source: indextts25/utils/nemo_tn.py."""
    nemo, pynini = version("nemo_text_processing"), version("pynini")
    return f"{language}-{CASE}-nemo{nemo}-pynini{pynini}.pkl"


def _chosen(settings: IndexTtsSettings) -> Path | None:
    """Return the folder that the operator chose, if any.

    Raises:
        EngineLoadError: Other users can write in it.
    """
    if not settings.grammar_dir:
        return None
    chosen = Path(settings.grammar_dir).expanduser()
    for path in (chosen, *chosen.glob("*.pkl")):
        if _others_write(path):
            raise EngineLoadError(
                f"The option grammar_dir of indextts names {chosen}, but users other than the server's can "
                f"change {path}, and grammars run code when they are read. Make both the server's own: "
                "chown, and chmod go-w."
            )
    return chosen


def _others_write(path: Path) -> bool:
    """Tell whether users other than ours and root may change *path*; our own group counts as ours."""
    try:
        found = path.stat()
    except OSError:
        return False  # it does not exist, so this process will create it
    if found.st_uid not in (0, os.geteuid()):
        return True
    by_group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid not in (0, os.getegid())
    return by_group or bool(found.st_mode & stat.S_IWOTH)


def _reader() -> Any:
    """Return the module that builds and reads grammars."""
    from indextts25.utils import nemo_tn  # noqa: PLC0415  # as above

    import speechhub_indextts.packages  # noqa: F401, PLC0415  # heavy; prepares the import of the module below

    return nemo_tn

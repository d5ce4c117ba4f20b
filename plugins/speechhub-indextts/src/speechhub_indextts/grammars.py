"""Grammars that put numbers, dates and amounts into words: NeMo's, built once and kept for good.

Building one takes from ten seconds (Chinese) to minutes (Spanish), reading it less than one. So those that
loads want ready by default are built when the engine is installed, and lie in its environment; others are
built where they are missed. Both generations use the reader of indextts25-inference, which keeps them as
pickles: reading one runs what is in it. So they are read from folders alone that no other user can write,
and never from the user's cache, which containers may share. indextts2-inference by itself would write into
its own package.
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
"""In the engine's own folder."""
LANGUAGES: Final = ("zh", "en", "es")
"""Those that have a grammar, by ISO 639-1 code, which is NeMo's as well."""
CASE: Final = "cased"
"""How the reader has its grammars, which their names tell. Source: indextts25/utils/nemo_tn.py."""


class Shelf:
    """The grammars that one process has, reads, or builds; none before it is needed."""

    def __init__(
        self, settings: IndexTtsSettings, *, work_dir: Path | None, prebuilt_dir: Path | None
    ) -> None:
        """Look at the folders.

        Args:
            settings: The operator's options.
            work_dir: Folder of the engine's own that outlives the process; None if there is none.
            prebuilt_dir: Folder with what `prebuild` built, which only root and our user can write; None if
                there is none.

        Raises:
            EngineLoadError: Others can write in the folder of the operator's choice.
        """
        self._prebuilt = prebuilt_dir
        self._kept = _chosen(settings) or (work_dir / FOLDER if work_dir else None)

    @cached_property
    def folder(self) -> Path:
        """Where what is built here is kept."""
        if self._kept is not None:
            return self._kept
        log.warning(
            "there is no folder to keep grammars in: they are built for each load, which takes minutes"
        )
        passing = tempfile.TemporaryDirectory(prefix="speechhub-grammars-")
        atexit.register(passing.cleanup)
        return Path(passing.name)

    def take(self, language: str) -> Any:
        """Return a grammar: as it is here, as the installation built it, as it is kept, or built now.

        None if there is none, or it cannot be built.
        """
        if language not in LANGUAGES:
            return None
        here = _reader().get_text_normalizer()._cache  # noqa: SLF001
        if language not in here and (found := self._read_prebuilt(language)) is not None:
            here[language] = found
        if language not in here:
            if not (self.folder / file_name(language)).exists():
                log.warning(
                    "building the grammar of %s, which can take minutes; if that ends the load, raise "
                    "first_load_timeout_s",
                    language,
                )
            _reader()._CACHE_DIR = str(self.folder)  # noqa: SLF001
        return _reader().get_text_normalizer()._get_normalizer(language)  # noqa: SLF001

    def _read_prebuilt(self, language: str) -> Any:
        """Return a grammar as the installation built it; None where there is none that fits."""
        if self._prebuilt is None:
            return None
        try:
            with (self._prebuilt / file_name(language)).open("rb") as file:
                return pickle.load(file)  # noqa: S301  # no other user can write there
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001  # what a damaged pickle raises can be anything
            log.warning("the grammar of %s that the installation built cannot be read: %s", language, error)
            return None


class Grammar:
    """One language; built, or read, when it is needed first."""

    def __init__(self, language: str, shelf: Shelf | None) -> None:
        """Take its grammar from *shelf*; None leaves texts as they are."""
        self._language = language
        self._shelf = shelf

    def normalize(self, text: str, verbose: bool = False) -> str:  # noqa: ARG002  # NeMo's signature
        """Return the text with everything in words; as it is, where that is not wanted or cannot be done."""
        if self._shelf is None or self._shelf.take(self._language) is None:
            return text
        return str(_reader().get_text_normalizer().normalize(text, self._language))


def prepare_grammars(context: LoadContext, settings: IndexTtsSettings) -> dict[str, Any]:
    """Make ready the grammars that the operator wants ready; return all that there are, by language.

    Args:
        context: Of `load` or `prepare`: where grammars are read and kept.
        settings: The operator's options.

    Raises:
        EngineLoadError: Others can write where the operator wants the grammars kept.
    """
    shelf = None
    if settings.normalization:
        shelf = Shelf(settings, work_dir=context.work_dir, prebuilt_dir=context.prebuilt_dir)
        for language in settings.grammars:
            if shelf.take(language) is None:
                log.warning("no grammar for %s: its numbers are spoken as they are written", language)
    return {language: Grammar(language, shelf) for language in LANGUAGES}


def prebuild(folder: Path, languages: Sequence[str] = IndexTtsSettings().grammars) -> None:
    """Build grammars: those that loads want ready where the operator says nothing else.

    Args:
        folder: An empty one, which is `LoadContext.prebuilt_dir` later.
        languages: ISO 639-1 codes.

    Raises:
        EngineLoadError: One is not there in the end.
    """
    reader = _reader()
    reader._CACHE_DIR = str(folder)  # noqa: SLF001
    for language in languages:
        reader._build_normalizer(language, CASE)  # noqa: SLF001
        if not (folder / file_name(language)).is_file():
            raise EngineLoadError(f"The grammar of {language} could not be written.")


def file_name(language: str) -> str:
    """Return the name of a grammar's file, which says what it fits. Source: indextts25/utils/nemo_tn.py."""
    nemo, pynini = version("nemo_text_processing"), version("pynini")
    return f"{language}-{CASE}-nemo{nemo}-pynini{pynini}.pkl"


def _chosen(settings: IndexTtsSettings) -> Path | None:
    """Return the folder of the operator's choice, if there is one.

    Raises:
        EngineLoadError: Others can write in it.
    """
    if not settings.grammar_dir:
        return None
    chosen = Path(settings.grammar_dir).expanduser()
    for path in (chosen, *chosen.glob("*.pkl")):
        if _others_write(path):
            raise EngineLoadError(
                f"The option grammar_dir of indextts names {chosen}, but {path} can be changed by other "
                "users than the server's, and grammars run code when they are read. Make them the "
                "server's own: chown, and chmod go-w."
            )
    return chosen


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


def _reader() -> Any:
    """Return the module that builds and reads grammars."""
    from indextts25.utils import nemo_tn  # noqa: PLC0415  # as above

    import speechhub_indextts.packages  # noqa: F401, PLC0415  # heavy, and before what it prepares

    return nemo_tn

"""Grammars that put numbers, dates and amounts into words: NeMo's, built once and kept for good.

Building one takes from ten seconds (Chinese) to minutes (Spanish), reading it less than one. Both generations
use the reader of indextts25-inference, which keeps them in a folder of its own; indextts2-inference by itself
would write into its own package.
"""

import logging
from pathlib import Path
from typing import Any

from speechhub_indextts.settings import IndexTtsSettings

log = logging.getLogger(__name__)


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


def prepare_grammars(settings: IndexTtsSettings) -> dict[str, Any]:
    """Make ready the grammars that the operator wants ready; return those that IndexTTS-2 uses."""
    from indextts25.utils import nemo_tn  # noqa: PLC0415  # heavy; packages.py comes first

    if settings.grammar_dir:
        nemo_tn._CACHE_DIR = str(Path(settings.grammar_dir).expanduser())  # noqa: SLF001
    if settings.normalization:
        for language in settings.grammars:
            if _normalizers()._get_normalizer(language) is None:  # noqa: SLF001
                log.warning("no grammar for %s: its numbers are spoken as they are written", language)
    return {language: Grammar(language, active=settings.normalization) for language in ("zh", "en")}


def _normalizers() -> Any:
    from indextts25.utils import nemo_tn  # noqa: PLC0415  # as above

    return nemo_tn.get_text_normalizer()

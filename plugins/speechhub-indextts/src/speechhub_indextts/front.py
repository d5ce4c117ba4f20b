"""The front end: texts in the characters that a model was trained on, and with numbers in words.

Each package has a front end with its own faults; this one replaces both, and passes on texts that they leave
unchanged. The grammars are the same, NeMo's.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from speechhub_indextts.chinese import require_opencc, simplified, usual_width
from speechhub_indextts.kept import Kept
from speechhub_indextts.pinyin import PINYIN
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.written import readable

_NAME: Final = re.compile(r"[\u4e00-\u9fff]+(?:[-·—][\u4e00-\u9fff]+){1,2}")
"""A foreign name in Chinese, such as 克里斯托弗·诺兰. Source: NAME_PATTERN in indextts2-inference."""
_TERM: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+")
"""A name such as GPT-5, whose hyphen is not a minus. Source: TECH_TERM_PATTERN in indextts2-inference."""


class Front:
    """Prepares texts for one model; lives as long as the model."""

    def __init__(self, settings: IndexTtsSettings, grammars: Mapping[str, Any]) -> None:
        """Check that what the options need is installed.

        Args:
            settings: The operator's options.
            grammars: NeMo's, or their substitutes, by ISO 639-1 code.

        Raises:
            EngineLoadError: A package that texts need is not installed.
        """
        if settings.simplify:
            require_opencc()
        self._settings = settings
        self._grammars = grammars

    def spoken(self, text: str, language: str, *, clean: Callable[[str], str] = lambda text: text) -> str:
        """Return *text* as it is to be spoken.

        Args:
            text: As a client sent it.
            language: ISO 639-1 code.
            clean: The package's own step before it puts numbers into words.
        """
        if self._settings.simplify:
            text = simplified(usual_width(text), language)
        if not self._settings.normalization or language not in self._grammars:
            return text
        kept = Kept(text)
        if language == "zh":
            text = kept.matches(PINYIN, text)
        text = clean(readable(text, language))
        if language == "zh":
            text = kept.matches(_NAME, text)
            text = _TERM.sub(lambda term: kept.keep("-").join(term[0].split("-")), text)
        return kept.restored(self._grammars[language].normalize(text))

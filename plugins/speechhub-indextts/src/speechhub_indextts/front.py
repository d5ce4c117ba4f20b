"""What is said for a text: in the characters that a model was taught, and with numbers in words.

Both packages have a way of their own from a text to that, each with other faults; this takes its place, and
hands them texts that they leave alone. The grammars are the same, NeMo's.
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
"""A name such as GPT-5, whose hyphen is no minus. Source: TECH_TERM_PATTERN in indextts2-inference."""


class Front:
    """Prepares texts for one model; lives as long as it."""

    def __init__(self, settings: IndexTtsSettings, grammars: Mapping[str, Any]) -> None:
        """Make ready.

        Args:
            settings: The operator's options.
            grammars: NeMo's, or what stands for them, by ISO 639-1 code.

        Raises:
            EngineLoadError: A package that texts need is not here.
        """
        if settings.simplify:
            require_opencc()
        self._settings = settings
        self._grammars = grammars

    def spoken(self, text: str, language: str, *, clean: Callable[[str], str] = lambda text: text) -> str:
        """Return what is said for *text*.

        Args:
            text: As a client sent it.
            language: ISO 639-1 code.
            clean: What the package does before it puts numbers into words.
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

"""Chinese in the characters that IndexTTS was trained on: simplified, with half-width letters and digits.

Upstream's normalizer does the same; NeMo's grammars, which the packages use instead, do not.
"""

import functools
import importlib
import re
from typing import Any, Final

from speechhub.engine import EngineLoadError

_KANA: Final = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_WIDE: Final = re.compile(r"[０-９Ａ-Ｚａ-ｚ％＄]|(?<=[0-9０-９])[．：／](?=[0-9０-９])|－(?=[0-9０-９])")  # noqa: RUF001
_OFFSET: Final = 0xFEE0
"""Offset from a half-width character to the full-width one. Source: The Unicode Standard, section 18.5."""


def usual_width(text: str) -> str:
    """Return *text* with half-width letters, digits and signs of numbers; other punctuation stays."""
    return _WIDE.sub(lambda found: chr(ord(found[0]) - _OFFSET), text)


def simplified(text: str, language: str) -> str:
    """Return *text* in simplified characters, unless it is Japanese.

    Args:
        text: What is to be spoken.
        language: ISO 639-1 code; in other languages, Chinese is recognised by the lack of kana.
    """
    if text.isascii() or language == "ja" or (language != "zh" and _KANA.search(text)):
        return text
    return str(_converter().convert(text))


def require_opencc() -> None:
    """Check while a model is loaded that `simplified` will work, not at the first text that needs it.

    Raises:
        EngineLoadError: OpenCC is missing, or cannot be imported.
    """
    try:
        importlib.import_module("opencc")
    except (ImportError, OSError) as error:
        raise EngineLoadError(
            f"The engine indextts lacks the package opencc, which reads traditional Chinese ({error}). "
            "Install the engine again: speechhub engines install indextts. Or do without: [engines.indextts] "
            "simplify = false."
        ) from error


@functools.cache
def _converter() -> Any:
    # It is only in the engine's environment; its tables take memory, and few texts need them.
    return importlib.import_module("opencc").OpenCC("t2s")

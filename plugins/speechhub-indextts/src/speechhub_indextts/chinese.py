"""Chinese in the characters that IndexTTS was taught: simplified ones, and letters and digits of usual width.

Upstream's normalizer does the same on the way; NeMo's grammars, which the packages use instead, do not.
"""

import functools
import importlib
import re
from typing import Any, Final

from speechhub.engine import EngineLoadError

_KANA: Final = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_WIDE: Final = re.compile(r"[０-９Ａ-Ｚａ-ｚ％＄]|(?<=[0-9０-９])[．：／](?=[0-9０-９])|－(?=[0-9０-９])")  # noqa: RUF001
_OFFSET: Final = 0xFEE0
"""From a character of usual width to the wide one. Source: The Unicode Standard, section 18.5."""


def usual_width(text: str) -> str:
    """Return *text* with letters, digits and signs of numbers in usual width; other punctuation stays."""
    return _WIDE.sub(lambda found: chr(ord(found[0]) - _OFFSET), text)


def simplified(text: str, language: str) -> str:
    """Return *text* in simplified characters, unless it is Japanese.

    Args:
        text: What is to be spoken.
        language: ISO 639-1 code; Chinese inside other languages is told by the lack of kana.
    """
    if text.isascii() or language == "ja" or (language != "zh" and _KANA.search(text)):
        return text
    return str(_converter().convert(text))


def require_opencc() -> None:
    """Look whether `simplified` will work, while a model is loaded and not at the first text that needs it.

    Raises:
        EngineLoadError: OpenCC is not here, or cannot be imported.
    """
    try:
        importlib.import_module("opencc")
    except (ImportError, OSError) as error:
        raise EngineLoadError(
            f"The engine indextts lacks the package opencc, by which it reads traditional Chinese ({error}). "
            "Install it again: speechhub engines install indextts. Or do without it: [engines.indextts] "
            "simplify = false."
        ) from error


@functools.cache
def _converter() -> Any:
    # Of the engine's environment alone; its tables take memory, and are needed by few texts.
    return importlib.import_module("opencc").OpenCC("t2s")

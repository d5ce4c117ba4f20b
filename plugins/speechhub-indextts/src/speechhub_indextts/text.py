"""Texts: whether one contains anything to say, and its language."""

import re
from typing import Final

from speechhub_indextts.pinyin import is_pinyin

_NAMED: Final = frozenset("%&@$€£¥=+#°‰")
"""Signs that the grammars have words for."""
_KANA: Final = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_ARABIC: Final = re.compile(r"[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff]")
_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_SPANISH_SIGNS: Final = re.compile(r"[\u00bf\u00a1\u00f1\u00d1]")
_SPANISH: Final = (
    "el los las una del que por para con como pero muy más está estoy esto esta este hola y se su sus al lo "
    "le les hay ser fue son qué cómo cuando donde también porque gracias buenos buenas días usted"
)
_ENGLISH: Final = (
    "the and of to is in it that was for on are with as this be at have from or by not you your we they "
    "he she his her which what there hello my me so if an"
)


def has_speech(text: str) -> bool:
    """Return whether a text has a letter, a digit or a sign with a name; other signs are silent."""
    return any(character.isalnum() or character in _NAMED for character in text)


def either_language(text: str, wanted: str | None, usual: str) -> str:
    """Return which of the two languages of IndexTTS-2 a text is in.

    Args:
        text: What is to be spoken.
        wanted: The language that the request names.
        usual: The answer for a text without letters, such as ``5``; what is not Chinese counts as English.
    """
    if wanted in ("zh", "en"):
        return wanted
    if _HAN.search(text):
        return "zh"
    if _LATIN.search(text):
        return "zh" if is_pinyin(text) else "en"
    return "zh" if usual == "zh" else "en"


def detect_language(text: str, latin: str) -> str:
    """Return which of the languages of IndexTTS-2.5 a text is in.

    The script decides first: kana is Japanese, Chinese characters without kana are Chinese. Between Spanish
    and English, signs and common words decide.

    Args:
        text: What is to be spoken.
        latin: The answer for Latin script whose language is not recognised.
    """
    if _KANA.search(text):
        return "ja"
    counts = {
        "zh": len(_HAN.findall(text)),
        "ar": len(_ARABIC.findall(text)),
        "latin": len(_LATIN.findall(text)) / 4,  # a word is about four letters, and one character of Chinese
    }
    script = max(counts, key=lambda name: counts[name])
    if script != "latin":
        return script if counts[script] else latin
    known_spanish, known_english = _SPANISH.split(), _ENGLISH.split()
    words = [word.lower() for word in _WORD.findall(text)]
    spanish = sum(word in known_spanish for word in words) + 3 * len(_SPANISH_SIGNS.findall(text))
    english = sum(word in known_english for word in words)
    if spanish == english:
        return latin
    return "es" if spanish > english else "en"

"""Pinyin in Chinese text, such as ``DE5``, whose tone the grammars would read as a number."""

import re
from typing import Final

_SYLLABLE: Final = (
    r"(?:(?:[bpmfdtnlgkhjqxzcsryw]|[zcs]h)?"
    r"(?:[aeiouüv]|[ae]i|u[aio]|ao|ou|i[aue]|[uüv]e|[uüv]ang?|uai|[aeiuvü]n|[aeio]ng|ia[no]|i[ao]ng)"
    r"|ng|er)[1-5]"
)
"""Source: PINYIN_TONE_PATTERN in indextts2-inference."""
SYLLABLES: Final = re.compile(rf"{_SYLLABLE}(?:\s*{_SYLLABLE})*", re.IGNORECASE)
"""One or more syllables, and nothing else."""
PINYIN: Final = re.compile(rf"(?<![A-Za-z0-9.])(?![AEIOUiuvüVÜ]\d)(?i:{_SYLLABLE})+(?![A-Za-z0-9]|\.\d)")
"""In running text; excludes names such as ``wan2.2``, ``wan22``, ``beta1`` and ``A4``."""
_WORD: Final = re.compile(r"[A-Za-zü][A-Za-zü0-9.]*")
_FRONTED: Final = re.compile(r"([jqx])u(?=[1-5]|(?:e|n|an)[1-5])", re.IGNORECASE)


def corrected(pinyin: str) -> str:
    """Return syllables as the model spells them: ``ju3`` is ``JV3``."""
    return _FRONTED.sub(r"\1v", pinyin).replace("ü", "v").replace("Ü", "V").upper()


def is_pinyin(text: str) -> bool:
    """Tell whether most words of a text in Latin script are pinyin."""
    words = _WORD.findall(text)
    return 2 * sum(PINYIN.fullmatch(word) is not None for word in words) > len(words)

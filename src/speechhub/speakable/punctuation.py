"""Punctuation in many scripts, and what it says about the text around it."""

import unicodedata
from typing import Final

OPENING: Final = "\"'“”„‚‘’«»‹›([{¿¡"  # noqa: RUF001
"""What may stand before the first letter of a line."""
CLOSING: Final = "\"'“”‘’«»‹›)]} \t\n"  # noqa: RUF001
"""What may stand behind the stop at the end of a line."""
STOPS: Final = frozenset(".!?…。！？؟।॥")  # noqa: RUF001
LESSER_STOPS: Final = frozenset(",;:—–-、，；：،؛")  # noqa: RUF001
"""Stops within a sentence."""


def is_wide(character: str) -> bool:
    """Tell whether *character* is as wide as two: Chinese, Japanese or Korean, which have few spaces."""
    return unicodedata.east_asian_width(character) in "WF"


def end_of(text: str) -> str:
    """Return the last character of *text* that neither closes a quotation nor is a space; or nothing."""
    return text.rstrip(CLOSING)[-1:]


def starts_small(text: str) -> bool:
    """Tell whether the first letter of *text*, if it begins with one, is a small one."""
    return text.lstrip(OPENING)[:1].islower()

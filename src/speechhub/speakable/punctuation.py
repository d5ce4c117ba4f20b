"""Punctuation in many scripts, and what it says about the text around it."""

import unicodedata
from typing import Final

OPENING: Final = "\"'“”„‚‘’«»‹›([{¿¡"  # noqa: RUF001
"""Characters that may precede the first letter of a line."""
CLOSING: Final = "\"'“”‘’«»‹›)]} \t\n"  # noqa: RUF001
"""Characters that may follow the stop at the end of a line."""
STOPS: Final = frozenset(".!?…。！？؟।॥")  # noqa: RUF001
LESSER_STOPS: Final = frozenset(",;:—–-、，；：،؛")  # noqa: RUF001
"""Stops within a sentence."""


def is_wide(character: str) -> bool:
    """Return whether *character* is full-width: Chinese, Japanese or Korean, which have few spaces."""
    return unicodedata.east_asian_width(character) in "WF"


def end_of(text: str) -> str:
    """Return the last character of *text* that is not in `CLOSING`; empty if there is none."""
    return text.rstrip(CLOSING)[-1:]


def starts_small(text: str) -> bool:
    """Return whether *text* begins with a lower-case letter, after any opening punctuation."""
    return text.lstrip(OPENING)[:1].islower()

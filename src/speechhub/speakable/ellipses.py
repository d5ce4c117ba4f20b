"""An ellipsis is a pause: engines' front ends drop it, so it becomes a stop that every engine keeps."""

import re
import unicodedata
from typing import Final

from speechhub.speakable.punctuation import CLOSING, OPENING, STOPS, is_wide

_ELLIPSIS: Final = re.compile(
    r"(?<=[^\s.])[ \t]?(?:[\[(]?(?:…+|\.{3,}|\.(?: \.){2,}(?!\w))[\])]?)+(?P<space>\s*)"
)
_AFTER_SPACE: Final = STOPS | frozenset(",;:/\\)")
_ENDS: Final = _AFTER_SPACE | frozenset(CLOSING) | {"-"}
"""What makes the pause itself, or has no word behind it."""
_RIGHT_TO_LEFT: Final = ("R", "AL", "AN")


def with_pauses(text: str) -> str:
    """Return *text* with a comma, or a full stop before a capital, for each ellipsis between two words.

    Texts in scripts that are wide or run from right to left stay as they are, and so does what ends a text.
    Piper makes 0.0 s of "…" and "...", 0.3 s of a comma, 0.2 s of a full stop.
    """
    if "…" not in text and ".." not in text and ". . ." not in text:
        return text
    kept, start = [], 0
    for found in _ELLIPSIS.finditer(text):
        before, after = text[found.start() - 1], text[found.end() : found.end() + 9]
        if _is_pause(before, after, spaced=bool(found["space"])):
            stop = "." if after.lstrip(OPENING)[:1].isupper() else ","
            kept += [text[start : found.start()], stop, " "]
            start = found.end()
    return "".join([*kept, text[start:]])


def _is_pause(before: str, after: str, *, spaced: bool) -> bool:
    if not after or not before.isalnum() or after[0] in (_AFTER_SPACE if spaced else _ENDS):
        return False
    if is_wide(before) or unicodedata.bidirectional(before) in _RIGHT_TO_LEFT:
        return False
    return not (before.isdigit() and after[0].isdigit())

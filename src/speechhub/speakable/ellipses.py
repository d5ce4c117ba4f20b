"""An ellipsis is a pause: engines' front ends drop it, so it becomes a stop that every engine keeps."""

import re
import unicodedata
from typing import Final

from speechhub.speakable.punctuation import OPENING, STOPS, is_wide

_DOTS: Final = r"(?:…+|\.{3,}|\.(?: \.){2,}(?!\w))"
_ELLIPSIS: Final = re.compile(
    rf"(?<=[^\s.])[ \t]?(?:\[{_DOTS}\]|\({_DOTS}\)|{_DOTS})+(?P<quote>[”’»“\"']?)(?P<space>\s*)"  # noqa: RUF001
)
_STOPPED: Final = STOPS | frozenset(",;:/\\)]}-")
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
        if _is_pause(before, after, found):
            kept += [text[start : found.start()], _stop(after, found["space"]), found["quote"], " "]
            start = found.end()
    return "".join([*kept, text[start:]])


def _stop(after: str, space: str) -> str:
    """Return a full stop before a sentence, or else a comma: ``Oh… I see`` is one."""
    word = after.lstrip(OPENING)
    return "." if space and word[:1].isupper() and word[1:2].isalpha() else ","


def _is_pause(before: str, after: str, found: re.Match[str]) -> bool:
    if not after or not before.isalnum() or after[0] in _STOPPED or (found["quote"] and not found["space"]):
        return False
    if is_wide(before) or unicodedata.bidirectional(before) in _RIGHT_TO_LEFT:
        return False
    return not (before.isdigit() and after[0].isdigit())

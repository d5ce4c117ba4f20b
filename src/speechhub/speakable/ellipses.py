"""Replaces ellipses by stops: an ellipsis is a pause, which engines drop, but they keep stops."""

import re
import unicodedata
from typing import Final

from speechhub.speakable.punctuation import OPENING, STOPS, is_wide

_DOTS: Final = r"(?:…+|\.{3,}|\.(?: \.){2,}(?!\w))"
_ELLIPSIS: Final = re.compile(
    rf"(?<=[^\s.])[ \t]?(?:\[{_DOTS}\]|\({_DOTS}\)|{_DOTS})+(?P<quote>[”’»“\"']?)(?P<space>\s*)"  # noqa: RUF001
)
_STOPPED: Final = STOPS | frozenset(",;:/\\)]}-")
"""Characters after an ellipsis that make the pause themselves, or have no word after them."""
_RIGHT_TO_LEFT: Final = ("R", "AL", "AN")


def with_pauses(text: str) -> str:
    """Return *text* with a comma, or a full stop before a capital, for each ellipsis between two words.

    Texts in scripts that are wide or run from right to left stay unchanged, and so does an ellipsis that ends
    a text. Piper makes a pause of 0.0 s for "…" and "...", 0.3 s for a comma, 0.2 s for a full stop.
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
    """Return a full stop before a new sentence, otherwise a comma, as in ``Oh… I see``."""
    word = after.lstrip(OPENING)
    return "." if space and word[:1].isupper() and word[1:2].isalpha() else ","


def _is_pause(before: str, after: str, found: re.Match[str]) -> bool:
    if not after or not before.isalnum() or after[0] in _STOPPED or (found["quote"] and not found["space"]):
        return False
    if is_wide(before) or unicodedata.bidirectional(before) in _RIGHT_TO_LEFT:
        return False
    return not (before.isdigit() and after[0].isdigit())

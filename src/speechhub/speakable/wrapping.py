"""Ends of lines inside a paragraph: where a line was only wrapped, and where one ends."""

import itertools
import re
from typing import Final

from speechhub.speakable.marks import LINE, MARKS
from speechhub.speakable.punctuation import LESSER_STOPS, STOPS, end_of, is_wide, starts_small

NARROWEST: Final = 56
"""Columns from which on a paragraph can be one that was wrapped at a margin: verse and chat are narrower."""
WIDEST: Final = 132
NARROW: Final = 36
"""Columns below which three lines and more are no prose."""
FEW_WORDS: Final = 3
"""Words of each of two lines that are no sentence."""
FEW_LINES: Final = 3

_ITEM: Final = re.compile(r"(?:[-–—•*+▪◦·]|\(?\d{1,3}[.)]|[^\W\d_][\w.' -]{0,30}:)[ \t]")  # noqa: RUF001
"""How a line begins that goes on with nothing: an item of a list, or what somebody says."""
_GOING_ON: Final = LESSER_STOPS - frozenset(":：-") | frozenset("/&(")  # noqa: RUF001


def unwrapped(paragraph: str, *, soft: bool = False) -> str:
    """Return a paragraph's lines in one, with the mark of a line's end where one ends.

    Args:
        paragraph: Lines that stand together, without a blank one.
        soft: Take every line for wrapped, as Markdown's grammar says.
    """
    lines = [line for line in map(str.strip, paragraph.split("\n")) if line]
    if len(lines) < 2:  # noqa: PLR2004
        return "".join(lines)
    wrapped = soft or _is_wrapped(lines)
    short = not soft and _is_list(lines)
    together = [lines[0]]
    for before, after in itertools.pairwise(lines):
        together += [_between(before, after, wrapped=wrapped, short=short), after]
    return "".join(together)


def _between(before: str, after: str, *, wrapped: bool, short: bool) -> str:
    if before[-1] in MARKS or after[0] in MARKS:
        return " "
    if wrapped or _goes_on(before, after, short=short):
        if before[-1] == "-" and before[-2:-1].isalpha() and after[0].islower():
            return ""
        return "" if is_wide(before[-1]) and is_wide(after[0]) else " "
    return LINE


def _goes_on(before: str, after: str, *, short: bool) -> bool:
    """Tell whether a line goes on in the next one, whatever the others do."""
    if _ITEM.match(after):
        return False
    return (starts_small(after) and not short) or before[-1] in _GOING_ON


def _is_list(lines: list[str]) -> bool:
    """Tell whether lines are as short as those of a list or a verse, and never those of prose."""
    if len(lines) >= FEW_LINES:
        return max(map(_columns, lines)) < NARROW
    return all(len(line.split()) <= FEW_WORDS for line in lines) and end_of(lines[-1]) not in STOPS


def _is_wrapped(lines: list[str]) -> bool:
    """Tell whether a paragraph's lines are as long as a margin lets them be."""
    widths = [_columns(line) for line in lines]
    if not NARROWEST <= max(widths) <= WIDEST or any(_ITEM.match(line) for line in lines[1:]):
        return False
    return all(
        width + _columns(_first_word(after)) >= max(widths)
        for width, after in zip(widths, lines[1:], strict=False)
    ) and not all(end_of(line) in STOPS for line in lines[:-1])


def _first_word(line: str) -> str:
    return line[:1] if is_wide(line[0]) else line.split(maxsplit=1)[0]


def _columns(text: str) -> int:
    return len(text) if text.isascii() else sum(1 + is_wide(character) for character in text)

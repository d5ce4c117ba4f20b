"""Joins the lines of a paragraph where they were only wrapped, and marks where a line really ends."""

import itertools
import re
from typing import Final

from speechhub.speakable.marks import LINE, MARKS
from speechhub.speakable.punctuation import LESSER_STOPS, STOPS, end_of, is_wide, starts_small

NARROWEST: Final = 56
"""Least columns of a paragraph that was wrapped at a margin: verse and chat are narrower."""
WIDEST: Final = 132
NARROW: Final = 40
"""From this width on, in columns, a line is not an entry of a list, however it begins."""

_BULLET: Final = re.compile(r"[•◦▪▫‣⁃●○■][ \t]+")  # noqa: RUF001
_ITEM: Final = re.compile(r"(?:[-–—*+·]|\(?\d{1,3}[.)])[ \t]")  # noqa: RUF001
_SPEAKER: Final = re.compile(r"[^\W\d_][\w.'-]{0,20}(?P<more>(?: [\w.'-]{1,20}){0,2}):[ \t]")
_GOING_ON: Final = LESSER_STOPS - frozenset(":：-") | frozenset("/&(")  # noqa: RUF001


def unwrapped(paragraph: str, *, soft: bool = False) -> str:
    """Return a paragraph's lines joined, with a mark where a line really ends.

    Args:
        paragraph: Lines without a blank one between them.
        soft: Whether every line counts as wrapped, as Markdown's grammar says.
    """
    lines = [line for line in map(str.strip, paragraph.split("\n")) if line]
    starts = [bool(_BULLET.match(line)) or _is_entry(line) for line in lines]
    lines = [_BULLET.sub("", line, count=1) if _BULLET.match(line) else line for line in lines]
    if len(lines) < 2:  # noqa: PLR2004
        return "".join(lines)
    wrapped = soft or _is_wrapped(lines, starts)
    together, start = [lines[0]], lines[0]
    for (before, after), begins in zip(itertools.pairwise(lines), starts[1:], strict=True):
        between = LINE if begins and not soft else _between(before, after, start=start, wrapped=wrapped)
        together += [between, after]
        start = after if between == LINE else start
    return "".join(together)


def _between(before: str, after: str, *, start: str, wrapped: bool) -> str:
    if before[-1] in MARKS or after[0] in MARKS:
        return " "
    if wrapped or before[-1] in _GOING_ON or _goes_on(before, after, start):
        if before[-1] == "-" and before[-2:-1].isalpha() and after[0].islower():
            return ""
        return "" if is_wide(before[-1]) and is_wide(after[0]) else " "
    return LINE


def _goes_on(before: str, after: str, start: str) -> bool:
    """Return whether the next line continues with a lower-case letter and is not an entry of a list."""
    is_list = _columns(before) < NARROW and (starts_small(start) or before[-1] in ":：")  # noqa: RUF001
    return starts_small(after) and not is_list


def _is_entry(line: str) -> bool:
    """Return whether a line is an item of a list, or speech with its speaker: neither continues a line."""
    if _ITEM.match(line):
        return True
    speaker = _SPEAKER.match(line)
    return speaker is not None and not (speaker["more"] and starts_small(line))


def _is_wrapped(lines: list[str], starts: list[bool]) -> bool:
    """Return whether a paragraph's lines are as long as a margin allows."""
    widths = [_columns(line) for line in lines]
    if not NARROWEST <= max(widths) <= WIDEST or any(starts[1:]):
        return False
    return all(
        width + _columns(_first_word(after)) >= max(widths)
        for width, after in zip(widths, lines[1:], strict=False)
    ) and not all(end_of(line) in STOPS for line in lines[:-1])


def _first_word(line: str) -> str:
    return line[:1] if is_wide(line[0]) else line.split(maxsplit=1)[0]


def _columns(text: str) -> int:
    return len(text) if text.isascii() else sum(1 + is_wide(character) for character in text)

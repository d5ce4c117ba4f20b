"""From a text as it was sent to the lines that are said."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

from speechhub.speakable.ellipses import with_pauses
from speechhub.speakable.emoji import without_emoji
from speechhub.speakable.lines import Line, assembled
from speechhub.speakable.marks import PARAGRAPH, without_marks
from speechhub.speakable.wrapping import unwrapped

Words = Callable[[str], str]
"""Writes the numbers, abbreviations and symbols of a line as they are said."""


class Normalization(StrEnum):
    """What is taken for markup."""

    AUTO = "auto"
    """What is clearly markup: structure that Markdown's grammar finds, emoji, tags and entities."""
    MARKDOWN = "markdown"
    """Everything that Markdown's grammar finds."""
    NONE = "none"
    """Nothing: the text is said as it was sent."""


LINE_ENDS: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028]")
_STRUCTURE: Final = re.compile(
    r"[\n*_`~#\[\]<>|&\\…\u2029\ufdd0-\ufdef]|\.\.|://|www\.|^\s*[-+]\s|\. \. \.|^\s*\d+[.)]\s"
)
_BLANK: Final = re.compile(r"\n[ \t]*\n\s*")


def is_plain(text: str) -> bool:
    """Tell at a glance that *text* is one line without anything to undo."""
    return text.isascii() and not LINE_ENDS.search(text) and not _STRUCTURE.search(text)


def read(
    text: str, mode: Normalization = Normalization.AUTO, *, words: Words | None = None
) -> Iterator[Line]:
    """Yield what a person would say for *text*, line by line; nothing where there is nothing to say.

    Args:
        text: As a client sent it.
        mode: What is taken for markup.
        words: Writes a line's numbers, abbreviations and symbols in words; None leaves them to the engine.
    """
    if mode is Normalization.NONE:
        yield Line(text=text)
        return
    if is_plain(text):
        yield _in_words(Line(text=text), words)
        return
    text = LINE_ENDS.sub("\n", without_marks(text)).replace("\u2029", "\n\n")
    for line in assembled(map(without_emoji, _marked(text, mode))):
        yield _in_words(replace(line, text=with_pauses(line.text)), words)


def _marked(text: str, mode: Normalization) -> Iterator[str]:
    """Yield *text* with marks for its structure, some of it at a time."""
    for paragraph in _BLANK.split(text):
        yield unwrapped(paragraph, soft=mode is Normalization.MARKDOWN) + PARAGRAPH


def _in_words(line: Line, words: Words | None) -> Line:
    """Apply the language's rules to the text that is said; everything that is markup is gone by then."""
    return replace(line, text=words(line.text)) if words and line.text else line

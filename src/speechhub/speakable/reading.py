"""Turns a text as a client sent it into the lines to speak."""

import re
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

from speechhub.speakable.addresses import shortened
from speechhub.speakable.annotations import Annotations, words_alone
from speechhub.speakable.blocks import blocks
from speechhub.speakable.ellipses import with_pauses
from speechhub.speakable.emoji import without_emoji
from speechhub.speakable.fences import without_code
from speechhub.speakable.lines import Line, assembled, has_words
from speechhub.speakable.markdown import Markdown
from speechhub.speakable.marks import LINE, PARAGRAPH, without_marks
from speechhub.speakable.tags import is_speech_document, untagged
from speechhub.speakable.wrapping import unwrapped


class Normalization(StrEnum):
    """What counts as markup."""

    AUTO = "auto"
    """Clear markup: structure that Markdown's grammar finds, emoji, tags and entities."""
    MARKDOWN = "markdown"
    """Everything that Markdown's grammar finds."""
    NONE = "none"
    """No markup: the text is spoken as it was sent."""


LINE_ENDS: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028]")
_STRUCTURE: Final = re.compile(
    r"[\n*_`~#\[\]<>|&\\…\u2029\ufdd0-\ufdef]|\.\.|://|www\.|^\s*[-+]\s|\. \. \.|^\s*\d+[.)]\s"
)
_BLANK: Final = re.compile(r"\n[ \t]*\n\s*")


def is_plain(text: str) -> bool:
    """Return, by a quick check, whether *text* is one line without any markup."""
    return text.isascii() and not LINE_ENDS.search(text) and not _STRUCTURE.search(text)


def read(text: str, mode: Normalization = Normalization.AUTO, *, annotations: bool = False) -> Iterator[Line]:
    """Yield what a person would say for *text*, line by line; nothing if there is nothing to say.

    Args:
        text: The text as a client sent it.
        mode: What counts as markup.
        annotations: Whether words keep the pronunciations given in the text.
    """
    if mode is Normalization.NONE:
        yield Line(text=text)
        return
    if not annotations:
        for line in _read(words_alone(text), mode):
            yield replace(line, text=words_alone(line.text))  # SSML escapes characters that are not tags
        return
    hidden = Annotations()
    for line in _read(hidden.hide(text), mode):
        yield replace(line, text=hidden.show(line.text))


def _read(text: str, mode: Normalization) -> Iterator[Line]:
    if not text.strip():
        return
    if is_plain(text):
        yield Line(text=text)
        return
    text, code = without_code(
        LINE_ENDS.sub("\n", without_marks(text.removeprefix("\ufeff"))).replace("\u2029", "\n\n")
    )
    empty = True
    for line in assembled(map(without_emoji, _marked(text, mode))):
        empty = empty and not has_words(line.text)
        yield replace(line, text=with_pauses(line.text))
    if empty:  # a text that consists only of code is read aloud
        yield from assembled(f"{row}{LINE}" for row in code)


def _marked(text: str, mode: Normalization) -> Iterator[str]:
    """Yield *text* with marks for its structure, part by part."""
    if is_speech_document(text):
        for paragraph in _BLANK.split(untagged(text, document=True)):
            yield unwrapped(paragraph, soft=True) + PARAGRAPH
        return
    markdown = Markdown(strict=mode is Normalization.AUTO)
    text = untagged(shortened(markdown.without_notation(text)), document=False)
    for part in blocks(text):
        yield from markdown.marked(part)

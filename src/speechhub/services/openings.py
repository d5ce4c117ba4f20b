"""Markup and words that are open at the end of a text which is still being written. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from speechhub.speakable.punctuation import is_wide

LONGEST_WORD: Final = 60
"""Characters without a space that may be a word which goes on; longer ones are scripts without spaces."""
_TAG: Final = re.compile(r"(?:<[A-Za-z/!?][^<>]{0,300}|<[^\s<|>]{1,20}(?:\|[\w .]{0,100})?|<|&[#\w]{0,31})\Z")
"""A tag, an annotation or an entity without its end."""
_TAG_CHARS: Final = 400
_OPENED: Final = re.compile(r"<([A-Za-z][\w:-]{0,30})[^<>]{0,300}>")
_MOST_TAGS: Final = 4
_MARKER: Final = re.compile(r"(?:\A|(?<=\n))[ \t>]*(?:[-*+]|\d{1,9}[.)]|#{1,6})[ \t]*\Z")
"""The mark of an item or a heading without its text."""
_ITEM: Final = re.compile(r"^[ \t>]*([-*+])[ \t]", re.MULTILINE)
_MARKS: Final = (
    ("*", "**"),
    ("*", "*"),
    ("_", "__"),
    ("_", "_"),
    ("`", "`"),
    ("``", "``"),
    ("~~", "~~"),
    ("[", "](https://a.example/)"),
    ("```", "\n```\n\n"),
    ("~~~", "\n~~~\n\n"),
    ("<!--", "-->"),
    ("<![CDATA[", "]]>"),
)
"""Marks, and what ends what they may have begun."""


def settled(text: str) -> str:
    """Return *text* up to its last word, tag, entity or mark of a line, which may go on."""
    whole = _without_open_tag(text)
    if whole != text:
        return whole
    end = len(text)
    while end and len(text) - end < LONGEST_WORD and not (text[end - 1].isspace() or is_wide(text[end - 1])):
        end -= 1
    if len(text) - end < LONGEST_WORD:
        text = _without_open_tag(text[:end])  # a tag that has just ended belongs to the last word
    return _MARKER.sub("", text)


def _without_open_tag(text: str) -> str:
    found = _TAG.search(text, max(0, len(text) - _TAG_CHARS))
    return text[: found.start()] if found else text


def closings(text: str) -> Iterator[str]:
    """Yield what may end the markup that is open at the end of *text*."""
    for mark, ending in _MARKS:
        if mark in text:
            yield ending
    if "<" in text:
        opened = dict.fromkeys(found[1] for found in _OPENED.finditer(text))
        yield from (f"</{name}>" for name in list(opened)[-_MOST_TAGS:])


_QUOTES: Final = {
    "“": "”",
    "„": "“",
    "«": "»",
    "「": "」",
    "『": "』",
    "（": "）",  # noqa: RUF001
    "(": ")",
    "[": "]",
}
"""Characters whose partner, which may follow, decides where sentences end."""


def continuations(text: str) -> Iterator[str]:
    """Yield continuations of *text*, without the space at its end, that may change how it is read."""
    yield from (f"{closing} x" for closing in closings(text))
    if text.count('"') % 2:
        yield '" x'
    yield from (f"{end} x" for begin, end in _QUOTES.items() if text.rfind(begin) > text.rfind(end))
    items = _ITEM.findall(text)
    if items:
        yield f"\n{items[-1]} x"
    row = text[text.rfind("\n") + 1 :].strip()
    if row.startswith("|"):
        yield f" |\n{'|---' * row.count('|')}|\n| x"

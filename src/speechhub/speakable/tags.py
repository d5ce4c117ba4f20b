"""Removes HTML and SSML tags: their text is kept, and some of them become pauses.

No tree is built and no entity definition is expanded, so the cost grows only with the length; a broken
document is read as text without its tags. Only known names are tags: ``a < b``, ``List<String>``, ``<3`` and
``<jo@example.org>`` stay.
"""

import html
import math
import re
from collections import deque
from typing import Final

from speechhub.speakable import tag_names
from speechhub.speakable.marks import CELL, LINE, PARAGRAPH, pause, without_marks

_SPEAK: Final = re.compile(
    r"\s*(?:<\?xml[^<>]{0,200}\?>\s*)?(?:<!DOCTYPE\s+speak\b|<speak[\s>/])", re.IGNORECASE
)
_ATTRIBUTE: Final = r"\s+[A-Za-z_:][\w:.-]*(?:\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'|[^\s\"'=<>`]+))?"
_TAG: Final = re.compile(
    rf"<(?P<end>/?)(?P<name>[A-Za-z][\w:.-]*)(?P<attributes>(?:{_ATTRIBUTE})*)\s*(?P<void>/?)>"
)
_BROKEN: Final = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][\w:.-]*)\b(?P<attributes>[^<>\n]{0,300})(?P<void>/?)>"
    r"|<(?P<end2>/?)(?P<name2>[A-Za-z][\w:.-]*)(?P<attributes2>(?:\s+[\w:.-]+\s*=\s*[\"']?[^\s\"'<>]*[\"']?)*)\s*/?"
)
_VALUE: Final = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|[\"']?([^\s\"'>]+))")
_END: Final = re.compile(r"</([A-Za-z][\w:.-]*)")
_SUB: Final = re.compile(r"<(?P<end>/?)sub\b[^<>]{0,1000}>", re.IGNORECASE)
_TIME: Final = re.compile(r"\+?(\d{0,9}(?:\.\d{0,9})?)\s*(ms|s)?", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BACKTICKS: Final = re.compile("`+")


def is_speech_document(text: str) -> bool:
    """Return whether *text* as a whole is SSML, and not Markdown."""
    return _SPEAK.match(text) is not None


def untagged(text: str, *, document: bool) -> str:
    """Return *text* without tags, and with marks for lines, cells, paragraphs and pauses.

    Args:
        text: Text whose lines end with line feeds.
        document: Whether it is SSML as a whole: then every tag counts, and entities are replaced.
    """
    if "<" not in text:
        return _undone(text) if document else text
    return _Reader(text, document=document).read()


class _Reader:
    """One pass through a text, from left to right."""

    def __init__(self, text: str, *, document: bool) -> None:
        self._text = text
        self._document = document
        self._last_end = {found[1].lower(): found.start() for found in _END.finditer(text)}
        self._open: dict[str, int] = {}
        self._code = {} if document else _code_spans(text)
        self._missing: set[str] = set()
        """Strings that do not occur between the current place and the end."""

    def read(self) -> str:
        said: list[str] = []
        place = start = 0
        while (place := self._next(place)) >= 0:
            spoken, end = self._at(place)
            if end > place:
                said += [self._plain(start, place), spoken]
                start = place = end
            else:
                place = -end if end < 0 else place + 1
        return "".join([*said, self._plain(start, len(self._text))])

    def _next(self, place: int) -> int:
        return self._text.find("<", place)

    def _plain(self, start: int, end: int) -> str:
        text = self._text[start:end]
        return _undone(text) if self._document else text

    def _at(self, place: int) -> tuple[str, int]:
        """Return the spoken text for the tag at *place*, and where the text continues.

        That is *place* itself if there is no tag, and a negated place if there is none before that place.
        """
        if place in self._code:
            return "", -self._code[place]
        text = self._text
        if text.startswith(("<!", "<?"), place):
            return self._declaration(place)
        found = _TAG.match(text, place)
        if found is not None and self._is_tag(found["name"], found):
            return self._element(found["name"].lower(), found["attributes"], found)
        broken = _BROKEN.match(text, place)
        name = ((broken["name"] or broken["name2"]) if broken else "").lower()
        if found is None and broken and (self._document or name in tag_names.SPEECH):
            attributes = broken["attributes"] or broken["attributes2"] or ""
            if self._document or attributes.strip(" /") or broken["name"]:
                return self._element(name, attributes, broken)
        return "", place

    def _declaration(self, place: int) -> tuple[str, int]:
        """Skip a comment, a document type with its definitions, or an instruction; return CDATA's text."""
        text = self._text
        for begin, finish in (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?xml", "?>")):
            if text.startswith(begin, place):
                end = self._find(finish, place + len(begin))
                said = text[place + len(begin) : end] if begin == "<![CDATA[" and end >= 0 else ""
                return (said, end + len(finish)) if end >= 0 else ("", place)
        if text[place : place + 9].upper() == "<!DOCTYPE":
            bracket, end = text.find("[", place, place + 300), self._find(">", place)
            if 0 <= bracket < end and (inner := self._find("]>", bracket)) >= 0:
                return "", inner + 2
            return ("", end + 1) if end >= 0 else ("", place)
        return "", place

    def _is_tag(self, name: str, found: re.Match[str]) -> bool:
        """Return whether what looks like a tag is one."""
        small, attributes = name.lower(), found["attributes"]
        if self._document or small.startswith(tag_names.VENDORS):
            return True
        if small not in tag_names.KNOWN or not (name == small or name.isupper()):
            return False
        if attributes and "=" not in attributes:
            return False
        if found["end"]:
            return small in tag_names.ALWAYS or self._open.get(small, 0) > 0
        # A sentence may be about "a <script> tag", which must not hide the rest of the text.
        skipped = small in tag_names.SKIPPED
        if (found["void"] and skipped) or (small in tag_names.ALWAYS and len(small) > 1 and not skipped):
            return True
        return bool(attributes) or self._closes(small, found.end()) or self._stands_alone(small, found)

    def _closes(self, name: str, place: int) -> bool:
        return self._last_end.get(name, -1) >= place

    def _stands_alone(self, name: str, found: re.Match[str]) -> bool:
        """Return whether a ``<p>`` without an end tag, which HTML allows, begins a paragraph."""
        return name == "p" and not self._text[found.start() - 1 : found.start()].isalnum()

    def _element(self, name: str, attributes: str, found: re.Match[str]) -> tuple[str, int]:
        """Return the spoken text for a tag, and where the text continues."""
        closes = bool(found["end"] or found.groupdict().get("end2"))
        self._open[name] = self._open.get(name, 0) + (-1 if closes else 1)
        if closes:
            return self._structure(name), found.end()
        if name in tag_names.SKIPPED and not found.groupdict().get("void"):
            return "", max(self._end_of(name, found.end()), found.end())
        return self._with_values(name, _values(attributes), found.end())

    def _with_values(self, name: str, values: dict[str, str], place: int) -> tuple[str, int]:
        """Return the spoken text for a tag with its attributes, and where the text continues."""
        if name == "break":
            return _break(values), place
        if name == "sup" and self._is_power(place):
            return "^", place
        if name == "img":
            return values.get("alt", ""), place
        if name == "sub" and "alias" in values:
            tag = _SUB.search(self._text, place) if self._closes(name, place) else None
            return (values["alias"], tag.end()) if tag and tag["end"] else ("", place)
        if name == "say-as" and values.get("interpret-as", "").lower() in tag_names.SPELLED:
            end = self._end_of(name, place)
            if end >= 0:
                inner = _TAG.sub("", self._text[place : self._text.rfind("<", 0, end)])
                return _spelled(_undone(inner)), end
        return self._structure(name), place

    def _is_power(self, place: int) -> bool:
        """Return whether digits on both sides of the tag that ends at *place* would merge into one number."""
        before = self._text[self._text.rfind("<", 0, place) - 1 : place][:1]
        return before.isdigit() and self._text[place : place + 2].lstrip("-−")[:1].isdigit()  # noqa: RUF001

    def _structure(self, name: str) -> str:
        if name in tag_names.PARAGRAPHS:
            return PARAGRAPH
        if name in tag_names.LINES or (self._document and name == "s"):
            return LINE
        return CELL if name in tag_names.CELLS else ""

    def _find(self, wanted: str, place: int) -> int:
        """Return where *wanted* is, or -1; a string that was missing once is not searched again."""
        found = -1 if wanted in self._missing else self._text.find(wanted, place)
        if found < 0:
            self._missing.add(wanted)
        return found

    def _end_of(self, name: str, place: int) -> int:
        """Return where the text continues after the end of an element, or -1 if it has none."""
        if not self._closes(name, place):
            return -1
        end = re.compile(rf"</{re.escape(name)}[^<>]{{0,100}}>", re.IGNORECASE).search(self._text, place)
        return end.end() if end else -1


def _values(attributes: str) -> dict[str, str]:
    """Return a tag's attributes; if a name occurs several times, the last one counts."""
    found = _VALUE.finditer(attributes)
    return {one[1].lower(): without_marks(html.unescape(one[2] or one[3] or one[4] or "")) for one in found}


def _break(values: dict[str, str]) -> str:
    """Return the mark of a pause; one whose length is not valid has the usual length."""
    time = _TIME.fullmatch(values.get("time", "").strip())
    if time and time[1] not in ("", "."):
        seconds = float(time[1]) / (1000 if (time[2] or "").lower() == "ms" else 1)
    else:
        usual = tag_names.STRENGTHS_S[tag_names.DEFAULT_STRENGTH]
        seconds = tag_names.STRENGTHS_S.get(values.get("strength", "").lower(), usual)
    seconds = min(seconds, tag_names.LONGEST_BREAK_S)
    return pause(seconds) if seconds and math.isfinite(seconds) else " "


def _spelled(text: str) -> str:
    return " ".join(character for character in text if not character.isspace())


def _undone(text: str) -> str:
    """Return *text* with entities replaced by their characters; unknown ones stay unchanged."""
    return _ENTITY.sub(lambda found: without_marks(html.unescape(found[0])), text) if "&" in text else text


def _code_spans(text: str) -> dict[int, int]:
    """Return the place of each ``<`` in code between backticks, and where that code ends."""
    if "`" not in text:
        return {}
    runs = [(found.start(), found.end()) for found in _BACKTICKS.finditer(text)]
    by_length: dict[int, deque[int]] = {}
    for number, (start, end) in enumerate(runs):
        by_length.setdefault(end - start, deque()).append(number)
    spans: dict[int, int] = {}
    number = 0
    while number < len(runs):
        start, end = runs[number]
        later = by_length[end - start]
        while later and later[0] <= number:
            later.popleft()
        if later and text.find("\n\n", end, runs[later[0]][0]) < 0:
            number = later[0]
            place = text.find("<", end, runs[number][0])
            while place >= 0:
                spans[place] = runs[number][1]
                place = text.find("<", place + 1, runs[number][0])
        number += 1
    return spans

"""A text that is still being written: its sentences come out as soon as nothing that follows can change them.

What was written is read anew as a whole each time, so that markup, abbreviations and numbers that arrive in
parts are read as in the whole text. Pure.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from speechhub.services.openings import closings, continuations, settled
from speechhub.services.pieces import WITHIN_SENTENCE, TextPiece
from speechhub.services.segmentation import SHORTEST_CLAUSE, WIDE_CHARS, clause_end, ends_sentence
from speechhub.speakable import has_words

HELD_CHARS: Final = 400
"""Longest text that waits for the end of markup, such as ``**``, which may never come."""
MOST_KEPT_CHARS: Final = 8000
"""Longest text that is read anew with what follows."""
_MAY_END: Final = re.compile(r"[.!?…。！？؟।॥\n<]")  # noqa: RUF001
"""Characters without one of which no sentence ends."""
_SPACE: Final = re.compile(r"\s+")
_STOPPED: Final = re.compile(r"[.!?…؟।॥][^\w\s]*\Z")
_WIDE_STOP: Final = re.compile(r"[。！？][^\w\s]*+")  # noqa: RUF001
_LOOK_BACK: Final = 8
"""Characters before a space in which a stop is looked for."""
_STOPS: Final = " \t\n,;:.!?…、，；：。！？"  # noqa: RUF001
"""Characters that belong to what is before them."""
_STRUCTURE: Final = re.compile(r"^[ \t]*(?:[-*+>|#]|\d{1,9}[.)])", re.MULTILINE)
"""Beginnings of lines whose meaning depends on the lines around them."""
_LAST_ENDS: Final = 5
"""Places that are tried, from the last; the others had their turn before."""
_DOCUMENT: Final = re.compile(r"\s*(?:<\?xml[^<>]{0,200}\?>\s*)?<speak\b[^<>]{0,300}>", re.IGNORECASE)

Read = Callable[[str], Sequence[TextPiece]]
"""Returns the sentences of a whole text, each as a piece of its own."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a text says, as far as it is known."""

    spoken: tuple[TextPiece, ...]
    """What went out before."""
    left: tuple[TextPiece, ...]


class WrittenText:
    """Takes a text in parts, and gives its sentences; one for each speech."""

    def __init__(self, read: Read, *, has_markup: bool) -> None:
        """Begin with nothing written.

        Args:
            read: How texts become sentences.
            has_markup: Whether it reads any markup.
        """
        self._read = read
        self._has_markup = has_markup
        self._text = ""
        """What was written, from the last place where the text could be parted."""
        self._spoken: list[TextPiece] = []
        """What went out of it."""
        self._begun = False
        self._flushed = ""
        """What the last flush took, until something follows it."""

    @property
    def waiting_chars(self) -> int:
        """How many characters are kept here."""
        return len(self._text)

    def write(self, text: str) -> None:
        """Add what comes next."""
        self._text += text

    def ready(self) -> list[TextPiece]:
        """Return what is complete, and was not returned before.

        A sentence is complete when the first word of the next one is, or when it is too long for one call.
        The very first may be a clause.
        """
        text = settled(self._text)
        if not _MAY_END.search(text) and len(text) < (WIDE_CHARS if self._begun else SHORTEST_CLAUSE):
            return []
        base = self._complete(text)
        if base:
            for ending in continuations(text):
                base = _common(base, self._complete(text.rstrip() + ending))
                if not base:
                    break
        if not base and len(self._text) > HELD_CHARS:
            base = self._complete(self._closed(text))
        self._take(base)
        before = self._pause_before(base)
        if base:
            self._part()
        return before + base

    def rest(self, *, at_end: bool) -> list[TextPiece]:
        """Return all that was not returned before, whole sentence or not.

        Args:
            at_end: Whether nothing will follow; otherwise markup that is open counts as markup.
        """
        text = self._text if at_end else self._closed(self._text)
        found = list(self._found(text).left) if text.strip() else []
        if found and not self._begun:
            found = _with_opening(found)
        before = self._pause_before(found)
        if text == self._text:
            flushed = self._text if found else self._flushed + self._text
            self._flushed = flushed if len(flushed) <= HELD_CHARS else ""
            self._text, self._spoken = "", []
            self._begun = self._begun or any(piece.text for piece in found)
        else:  # the markup may end in what follows
            self._take(found)
        return before + found

    def ends(self) -> bool:
        """Return whether something was not returned, and ends where a sentence does."""
        text = self._text.rstrip()
        return bool(text) and ends_sentence(text) and bool(self._found(text).left)

    def _complete(self, text: str) -> list[TextPiece]:
        """Return the sentences of *text* that did not go out, but for the last."""
        left = list(self._found(text).left)
        if left and not self._begun:
            left = _with_opening(left)
        while left and not has_words(left[-1].text):
            left.pop()
        complete = left[:-1]
        return complete if any(piece.text for piece in complete) else []

    def _found(self, text: str) -> _Found:
        pieces = tuple(self._read(text))
        return _after(pieces, self._spoken)

    def _closed(self, text: str) -> str:
        """Return *text* with the end of the markup that is open in it, if there is any."""
        if not self._has_markup or not text.strip():
            return text
        best, chars = text, _chars(self._read(text))
        words = _letters(self._read(text))
        for closing in closings(text):
            closed = text.rstrip() + closing
            pieces = self._read(closed)
            if _chars(pieces) < chars and _letters(pieces) == words:
                best, chars = closed, _chars(pieces)
        return best

    def _take(self, pieces: Sequence[TextPiece]) -> None:
        self._spoken += pieces
        self._begun = self._begun or any(piece.text for piece in pieces)

    def _pause_before(self, pieces: Sequence[TextPiece]) -> list[TextPiece]:
        """Return the pause before *pieces*, if what was flushed turns out to be the end of a paragraph."""
        if not pieces or not self._flushed:
            return []
        flushed, self._flushed = self._flushed, ""
        if not (said := self._read(flushed)):
            return []
        spoken = _after(tuple(self._read(flushed + self._text)), said).spoken
        if not spoken or spoken[-1].pause == said[-1].pause:
            return []
        return [replace(spoken[-1], text="")]

    def _part(self) -> None:
        """Forget what went out, where the rest reads the same without it."""
        found = self._found(self._text)
        if self._is_open(found):
            return
        document = _DOCUMENT.match(self._text)
        head = document[0] if document else ""
        for place in list(_places(self._text))[-1 : -_LAST_ENDS - 1 : -1]:
            rest = head + self._text[place:]
            if place > len(head) and tuple(self._read(rest)) == found.left and self._ends_alike(rest):
                self._text, self._spoken = rest, []
                return
        if len(self._text) > MOST_KEPT_CHARS:  # a list without end, or the like
            self._text, self._spoken = "\n".join(_texts(found.left)), []

    def _ends_alike(self, rest: str) -> bool:
        """Return whether *rest* reads the same without what went out, whatever markup ends in it."""
        text = self._text.rstrip()
        return all(
            tuple(self._read(rest.rstrip() + ending)) == self._found(text + ending).left
            for ending in continuations(text)
        )

    def _is_open(self, found: _Found) -> bool:
        """Return whether markup that is not closed begins in what went out."""
        text = self._text.rstrip()
        count = len(found.spoken)
        return any(
            _texts(self._read(text + ending)[:count]) != _texts(found.spoken)
            for ending in continuations(text)
        )


def _texts(pieces: Sequence[TextPiece]) -> list[str]:
    return [piece.text for piece in pieces]


def _places(text: str) -> Iterator[int]:
    """Yield places where *text* may be parted: after a sentence that is in no list, quotation or table."""
    blank = 0
    for place, is_blank in _ends(text):
        blank = place if is_blank else blank
        if is_blank or not _STRUCTURE.search(text, blank, place):
            yield place


def _ends(text: str) -> list[tuple[int, bool]]:
    """Return places behind sentences and lines, each with whether a paragraph ends there."""
    found = [(stop.end(), False) for stop in _WIDE_STOP.finditer(text)]
    for space in _SPACE.finditer(text):
        lines = space[0].count("\n")
        if lines or _STOPPED.search(text, max(0, space.start() - _LOOK_BACK), space.start()):
            found.append((space.end(), lines > 1))
    return sorted(it for it in found if it[0] < len(text))


def _common(some: list[TextPiece], others: Sequence[TextPiece]) -> list[TextPiece]:
    """Return what both begin with."""
    count = next(
        (place for place, (one, other) in enumerate(zip(some, others, strict=False)) if one != other),
        min(len(some), len(others)),
    )
    return some[:count]


def _with_opening(pieces: list[TextPiece]) -> list[TextPiece]:
    """Return *pieces* with the first text cut at a clause, if it is long."""
    place = next((place for place, piece in enumerate(pieces) if piece.text), None)
    if place is None:
        return pieces
    first = pieces[place]
    end = clause_end(first.text)
    if end is None:
        return pieces
    clause = TextPiece(text=first.text[:end].strip(), pause=WITHIN_SENTENCE)
    return [*pieces[:place], clause, replace(first, text=first.text[end:].strip()), *pieces[place + 1 :]]


def _after(pieces: tuple[TextPiece, ...], spoken: Sequence[TextPiece]) -> _Found:
    """Return *pieces* parted behind what was *spoken*; where they differ from it, as many letters count."""
    if not spoken:
        return _Found((), pieces)
    place = 0
    wanted = list(spoken)
    while wanted and place < len(pieces) and pieces[place].text == wanted[0].text:
        place += 1
        wanted.pop(0)
    if not wanted:
        return _Found(pieces[:place], pieces[place:])
    if place < len(pieces) and len(wanted) == 1 and pieces[place].text.startswith(wanted[0].text):
        return _parted(pieces, place, len(wanted[0].text))
    left = len(_letters(wanted))
    while left and place < len(pieces):
        piece = pieces[place]
        count = len(_letters([piece]))
        if count > left:
            return _parted(pieces, place, _behind(piece.text, left))
        left -= count
        place += 1
    return _Found(pieces[:place], pieces[place:])


def _parted(pieces: tuple[TextPiece, ...], place: int, chars: int) -> _Found:
    """Return *pieces* parted within the one at *place*."""
    piece = pieces[place]
    said, rest = piece.text[:chars].strip(), piece.text[chars:].lstrip(_STOPS).rstrip()
    left = (replace(piece, text=rest),) if has_words(rest) else ()
    return _Found((*pieces[:place], replace(piece, text=said)), (*left, *pieces[place + 1 :]))


def _behind(text: str, letters: int) -> int:
    """Return the place in *text* behind so many letters, and behind the stops that follow them."""
    place = 0
    while letters:
        letters -= text[place].isalnum()
        place += 1
    while place < len(text) and not (text[place].isalnum() or text[place].isspace()):
        place += 1
    return place


def _letters(pieces: Sequence[TextPiece]) -> str:
    return "".join(character for piece in pieces for character in piece.text if character.isalnum())


def _chars(pieces: Sequence[TextPiece]) -> int:
    return sum(len(piece.text) for piece in pieces)

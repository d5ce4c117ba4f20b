"""Cuts a text into pieces that an engine speaks well: whole sentences, none too long. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import sentencex

from speechhub.domain.script import space_between
from speechhub.speakable.annotations import ANNOTATION

PIECE_CHARS: Final = 1000
"""Texts longer than this are spoken piece by piece: other requests get their turn between two pieces."""
WIDE_CHARS: Final = 300
"""The same for Chinese, Japanese and Korean, where a character is a syllable or more."""
LONGEST_OPENING: Final = 60
"""From this width on, the first sentence of a text that is still being written is cut at a clause."""
SHORTEST_CLAUSE: Final = 20
"""Least width of such a clause."""
_WIDTH: Final = 3
"""Width of a Chinese, Japanese or Korean character, which is a syllable or more."""
WINDOW_CHARS: Final = 1000
"""How much of a text sentencex gets at a time."""
LONGEST_WINDOW_CHARS: Final = 4 * WINDOW_CHARS
"""Characters of a sentence that are searched for its end."""
WORDLESS_CHARS: Final = 200
"""Most characters without a word that join the next sentence; a longer run is a sentence of its own."""
DEFAULT_LANGUAGE: Final = "en"
"""The language whose rules apply where the language is not known."""
SCRIPTS: Final = (
    # In this order: Japanese has Chinese characters too.
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ar", re.compile(r"[\u0620-\u064a]")),
    ("hi", re.compile(r"[\u0904-\u0939]")),
    ("ru", re.compile(r"[\u0410-\u044f]")),
)
"""Languages that their letters tell, or at least their rules for sentences."""

_CLAUSE_END: Final = re.compile(r"[,;:—–،؛](?=\s|$)|[、，；：]|\n")  # noqa: RUF001  # full-width ones too
_SENTENCE_ENDS: Final = frozenset(".!?…。！？؟।॥")  # noqa: RUF001
_MISSED_END: Final = re.compile(r"(?<=[。！？])(?=\d)")  # noqa: RUF001
"""An end of a sentence that sentencex 1.0.32 does not see, though none is clearer in Chinese and Japanese."""
_WORD: Final = re.compile(r"\w")
_WORDLESS: Final = re.compile(r"[\W\d_]*")
_JOINS_ON: Final = ("Mn", "Me", "Mc", "Sk", "Cf")
"""Categories of characters that belong to the one before: accents, skin tones, joiners."""
_JOINER: Final = "\u200d"


def split_text(
    text: str,
    *,
    language: str = DEFAULT_LANGUAGE,
    limit_chars: int = PIECE_CHARS,
    first_alone: bool = False,
    each_alone: bool = False,
) -> Iterator[str]:
    """Yield *text* in pieces of whole sentences; each takes the time of its own length alone.

    Args:
        text: Not blank.
        language: ISO 639-1 code; abbreviations differ.
        limit_chars: Longest piece. A sentence that is longer is cut at a clause, else at a space, else
            between two characters.
        first_alone: Make the first sentence a piece of its own, for engines that give no audio before a
            whole piece is spoken: it is heard sooner.
        each_alone: Make every sentence a piece of its own.
    """
    if len(text) <= limit_chars and not first_alone and not each_alone:
        yield text.strip()
        return
    piece, may_join = "", not (each_alone or first_alone)
    for sentence in _sentences(text, language):
        for part in _parts(sentence, limit_chars):
            joined = f"{piece}{space_between(piece, part)}{part}" if piece else part
            if not piece or (may_join and len(joined) <= limit_chars):
                piece = joined
            else:
                yield piece
                piece, may_join = part, not each_alone
    if piece:
        yield piece


def ends_sentence(piece: str) -> bool:
    """Return whether a piece ends where a sentence does, and not where it had to be cut."""
    # No regular expression: from each of a thousand full stops it would look for the end anew.
    for char in reversed(piece):
        if char in _SENTENCE_ENDS:
            return True
        if _WORD.match(char):
            break
    return "\n" in piece[len(piece.rstrip()) :]


def clause_end(text: str) -> int | None:
    """Return where the first clause of a long sentence ends, for sound that begins early.

    Whatever follows in the text, the answer stays the same.

    Returns:
        The place behind the clause; None where the text is short, or has no clause that is long enough.
    """
    width = 0
    ends = {found.end() for found in _CLAUSE_END.finditer(text) if found.end() < len(text)}
    best: int | None = None
    for place, char in enumerate(text, 1):
        width += _WIDTH if unicodedata.east_asian_width(char) in "WF" else 1
        if place in ends and width >= SHORTEST_CLAUSE and _outside(text, place) == place:
            best = place
        if width >= LONGEST_OPENING and best is not None:
            return best
    return None


def language_of(text: str, known: Sequence[str]) -> str:
    """Return the language whose rules for sentences hold for *text*.

    Args:
        text: What is to be spoken.
        known: Languages of the voice or the model, if they are known.
    """
    for language, letters in SCRIPTS:
        if letters.search(text):
            return language
    return known[0] if len(known) == 1 else DEFAULT_LANGUAGE


def piece_chars(text: str) -> int:
    """Return how long a piece of *text* may be before others get their turn, in characters."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text[:PIECE_CHARS])
    return WIDE_CHARS if 2 * wide > min(len(text), PIECE_CHARS) else PIECE_CHARS


def _sentences(text: str, language: str) -> Iterator[str]:
    """Yield sentences without space around; what has no word, such as ``2.`` or an emoji, goes with one."""
    waiting: list[str] = []
    wordless_chars = 0
    ended = _joined_inside(
        text, (part for found in _segments(text, language) for part in _at_missed_ends(found))
    )
    for found in map(str.strip, ended):
        if not found:
            continue
        waiting += [space_between(waiting[-1], found), found] if waiting else [found]
        wordless_chars += len(found)
        if wordless_chars > WORDLESS_CHARS or not _WORDLESS.fullmatch(found):
            yield "".join(waiting)
            waiting.clear()
            wordless_chars = 0
    if waiting:
        yield "".join(waiting)


def _joined_inside(text: str, parts: Iterator[str]) -> Iterator[str]:
    """Yield the parts of a text, but for ends inside an annotation, such as that of ``<go|G OW1 . NG>``."""
    inside = {place for found in ANNOTATION.finditer(text) for place in range(found.start() + 1, found.end())}
    if not inside:
        yield from parts
        return
    held, end = "", 0
    for part in parts:
        held += part
        end += len(part)
        if end not in inside:
            yield held
            held = ""
    if held:
        yield held


def _at_missed_ends(text: str) -> Iterator[str]:
    start = 0
    for end in _MISSED_END.finditer(text):
        yield text[start : end.start()]
        start = end.start()
    yield text[start:]


def _segments(text: str, language: str) -> Iterator[str]:
    """Yield what sentencex finds, window by window: its time grows with the square of the length."""
    start, size = 0, WINDOW_CHARS
    while start < len(text):
        found = sentencex.segment(language, text[start : start + size])
        if start + size >= len(text):
            yield from found
            return
        if len(found) == 1:  # a sentence that ends further on
            if size < LONGEST_WINDOW_CHARS:
                size *= 2
                continue
            # It is cut into pieces anyway: here between two words, if it has any.
            window = text[start : start + size + 1]
            end = window.rfind(" ", size // 2, size) + 1 or _between_characters(window, size)
            yield window[:end]
            start += end
            size = WINDOW_CHARS
            continue
        # The last one may go on behind the window.
        yield from found[:-1]
        start += sum(map(len, found[:-1]))
        size = WINDOW_CHARS


def _parts(sentence: str, limit_chars: int) -> Iterator[str]:
    while len(sentence) > limit_chars:
        head = sentence[:limit_chars]
        clauses = [match.end() for match in _CLAUSE_END.finditer(head)]
        space = head.rfind(" ")
        cut = next((end for end in reversed(clauses) if end > limit_chars // 4), 0) or space
        cut = _outside(sentence, cut if cut > 0 else _between_characters(sentence, limit_chars))
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence


def _outside(sentence: str, cut: int) -> int:
    """Return the place to cut at that is in no annotation: before the one at *cut*, or behind the first."""
    for found in ANNOTATION.finditer(sentence):
        if found.start() < cut < found.end():
            return found.start() or found.end()
    return cut


def _between_characters(text: str, cut: int) -> int:
    """Return the last place up to *cut* that parts no accent from its letter and no emoji from its parts."""
    place = cut
    while place > 1 and (unicodedata.category(text[place]) in _JOINS_ON or text[place - 1] == _JOINER):
        place -= 1
    return place if place > 1 else cut

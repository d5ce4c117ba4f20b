"""Cuts a text into pieces that an engine speaks well: whole sentences, none too long. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from sentence_stream import SentenceBoundaryDetector

PIECE_CHARS: Final = 1000
"""Texts longer than this are spoken piece by piece: other requests get their turn between two pieces."""

_CLAUSE_END: Final = re.compile(r"[,;:—–、，；：](?=\s|$)|[、，；：]|\n")  # noqa: RUF001  # full-width ones too


def split_text(text: str, *, limit_chars: int = PIECE_CHARS, first_alone: bool = False) -> list[str]:
    """Return *text* in pieces of whole sentences.

    Args:
        text: Not blank.
        limit_chars: Longest piece. A sentence that is longer is cut at a clause, else at a space, else
            anywhere.
        first_alone: Make the first sentence a piece of its own, for engines that give no audio before a
            whole piece is spoken: it is heard sooner.
    """
    if len(text) <= limit_chars and not first_alone:
        return [text.strip()]
    pieces: list[str] = []
    for sentence in _sentences(text):
        for part in _parts(sentence, limit_chars):
            joined = f"{pieces[-1]}{_space_after(pieces[-1])}{part}" if pieces else part
            may_join = len(pieces) > (1 if first_alone else 0)
            if may_join and len(joined) <= limit_chars:
                pieces[-1] = joined
            else:
                pieces.append(part)
    return pieces


def _space_after(piece: str) -> str:
    return "" if unicodedata.east_asian_width(piece[-1]) in "WF" else " "


def _sentences(text: str) -> Iterator[str]:
    detector = SentenceBoundaryDetector()
    yield from detector.add_chunk(text)
    if rest := detector.finish():
        yield rest


def _parts(sentence: str, limit_chars: int) -> Iterator[str]:
    while len(sentence) > limit_chars:
        head = sentence[:limit_chars]
        clauses = [match.end() for match in _CLAUSE_END.finditer(head)]
        space = head.rfind(" ")
        cut = next((end for end in reversed(clauses) if end > limit_chars // 4), 0) or space
        cut = cut if cut > 0 else limit_chars
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence

# ruff: noqa: RUF001 - punctuation of many scripts
"""Cuts a transcript into the pieces of text that subtitles must keep together, each with its time."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from speechhub.domain.script import is_unspaced
from speechhub.domain.transcript import Segment, Transcript

MAX_COLUMNS: Final = 42
"""Longest line; a full-width character takes two columns. Source: see `subtitles`."""
SENTENCE_ENDS: Final = ".?!…。！？｡؟।۔։။።"
CLOSERS: Final = "\"'”’»›)]}」』）】》〉"
LONG_WORD_S: Final = 3.0
"""A word that lasts longer than this, and longer than its letters can take, contains a silence."""
_COLUMN_S: Final = 0.3
"""How long a column may take in very slow speech."""
_USUAL_WORD_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of text that stays on one line; a cue or a line may end after it."""

    text: str
    """With a leading space if the text has one there; never empty."""
    start_s: float
    end_s: float
    is_forced: bool = False
    """The cue must begin here: another speaker, or a segment without word times."""


def pieces_of(transcript: Transcript) -> Iterator[Piece]:
    """Yield the whole text in order; times never run backwards."""
    segments = [segment for segment in transcript.segments if _is_visible(segment)]
    segments = segments or [Segment(text=transcript.text, start_s=0.0, end_s=transcript.duration_s)]
    now_s, speaker, before = 0.0, segments[0].speaker, ""
    followers = [segment.start_s for segment in segments[1:]] + [inf]
    for segment, follower_s in zip(segments, followers, strict=True):
        is_forced = not segment.words or segment.speaker != speaker
        speaker = segment.speaker
        for token in _joined(_spoken(segment, follower_s)):
            whole = _shortened(token, before) if segment.words else token
            before = token.text
            for piece in _split(whole):
                start_s = max(piece.start_s, now_s)
                now_s = max(piece.end_s, start_s)
                yield replace(piece, start_s=start_s, end_s=now_s, is_forced=is_forced)
                is_forced = False


def _is_visible(segment: Segment) -> bool:
    return any(_clean(text) for text in (segment.text, *(word.text for word in segment.words)))


def _spoken(segment: Segment, follower_s: float) -> Iterator[Piece]:
    """Yield the words of a segment; without words, pieces of its text with times in proportion to length.

    A wrong time affects only its own word: no word lasts beyond the beginning of the next one.

    Args:
        segment: The segment.
        follower_s: When the next segment begins.
    """
    words = [(text, word) for word in segment.words if (text := _clean(word.text))]
    if words:
        starts = [word.start_s for _, word in words[1:]] + [max(follower_s, words[-1][1].start_s)]
        before_s = 0.0
        for (text, word), next_s in zip(words, starts, strict=True):
            limit_s = next_s if next_s > before_s else inf  # else the next word's time is wrong
            yield Piece(text=text, start_s=min(word.start_s, limit_s), end_s=min(word.end_s, limit_s))
            before_s = min(word.start_s, limit_s)
    elif text := _clean(segment.text):
        end_s = min(segment.end_s, follower_s) if follower_s > segment.start_s else segment.end_s
        longest_s = max(LONG_WORD_S, _COLUMN_S * columns_of(text))  # the rest of its time is silence
        yield from _timed(list(_atoms(text)), segment.start_s, min(end_s, segment.start_s + longest_s))


def _clean(text: str) -> str:
    """Return *text* on one line, without control characters, with at most one leading space."""
    words = "".join(c for c in text if c.isspace() or unicodedata.category(c) != "Cc").split()
    cleaned = " ".join(words)
    if not columns_of(cleaned):  # nothing visible
        return ""
    return f" {cleaned}" if text[0].isspace() else cleaned


def _atoms(text: str) -> Iterator[str]:
    """Cut *text* before its spaces and around its ideographs."""
    atom = ""
    for char in text:
        if atom.strip() and (char == " " or _is_ideographic(char) or _is_ideographic(atom[-1])):
            yield atom
            atom = ""
        atom += char
    if atom.strip():
        yield atom


def _timed(texts: Sequence[str], start_s: float, end_s: float) -> Iterator[Piece]:
    """Divide a stretch of time in proportion to the lengths of *texts*."""
    total, done = sum(map(len, texts)), 0
    for text in texts:
        yield Piece(
            text=text,
            start_s=start_s + (end_s - start_s) * done / total,
            end_s=start_s + (end_s - start_s) * (done + len(text)) / total,
        )
        done += len(text)


def _joined(tokens: Iterator[Piece]) -> Iterator[Piece]:
    """Join what must not be separated: punctuation and its word, the parts of a word."""
    previous: Piece | None = None
    for token in tokens:
        if previous is not None and _sticks(previous.text, token.text):
            previous = replace(previous, text=previous.text + token.text, end_s=token.end_s)
            continue
        if previous is not None:
            yield previous
        previous = token
    if previous is not None:
        yield previous


def _shortened(word: Piece, before: str) -> Piece:
    """Return *word* without the silence that an engine included in it.

    The first word of a sentence is spoken at the end of its time, after the silence; any other at its start.
    """
    if word.end_s - word.start_s <= max(LONG_WORD_S, _COLUMN_S * columns_of(word.text)):
        return word
    begins = not before or before.rstrip(CLOSERS).endswith(tuple(SENTENCE_ENDS))
    if begins:
        return replace(word, start_s=word.end_s - _USUAL_WORD_S)
    return replace(word, end_s=word.start_s + _USUAL_WORD_S)


def _sticks(left: str, right: str) -> bool:
    if right[0] == " ":
        return False
    if not any(map(str.isalnum, right)):  # closing punctuation; an opening bracket belongs to the right
        return unicodedata.category(right[0]) not in {"Ps", "Pi"}
    if not any(map(str.isalnum, left)):
        return unicodedata.category(left[-1]) in {"Ps", "Pi"}
    # " don" + "'t" is one word, but scripts without spaces may be cut between words
    return unicodedata.category(right[0])[0] == "M" or not (is_unspaced(left[-1]) or is_unspaced(right[0]))


def _split(token: Piece) -> Iterator[Piece]:
    """Cut a piece that is wider than a line, by columns."""
    if columns_of(token.text.lstrip()) <= MAX_COLUMNS:
        yield token
        return
    pieces, piece = [], ""
    for char in token.text:
        if piece.strip() and columns_of(piece.lstrip() + char) > MAX_COLUMNS:
            pieces.append(piece)
            piece = ""
        piece += char
    yield from _timed([*pieces, piece], token.start_s, token.end_s)


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in {"W", "F"}


def _is_ideographic(char: str) -> bool:
    """Return whether text may be cut next to *char*: Han and kana yes; Hangul is as wide but has words."""
    return _is_wide(char) and not ("\u1100" <= char <= "\u11ff" or "\uac00" <= char <= "\ud7a3")


def columns_of(text: str) -> int:
    """Return the width of *text*: full-width characters count twice, combining marks not at all."""
    if text.isascii():
        return len(text)
    return sum(2 if _is_wide(c) else 0 if unicodedata.category(c) in {"Mn", "Me", "Cf"} else 1 for c in text)

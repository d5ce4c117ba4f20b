# ruff: noqa: RUF001 - punctuation of many scripts
"""Cuts a transcript into readable subtitle cues, and writes them as SRT or WebVTT.

A cue ends where the speech allows it: at the end of a sentence, at a pause, at a comma. It never exceeds two
lines of 42 columns or seven seconds. Source: Netflix, Timed Text Style Guide, General Requirements and
English.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from speechhub.codecs.cue_times import MAX_DURATION_MS, Cue, settled
from speechhub.codecs.pieces import CLOSERS, MAX_COLUMNS, SENTENCE_ENDS, Piece, columns_of, pieces_of
from speechhub.domain.transcript import Transcript

HARD_PAUSE_S: Final = 1.0
"""A silence that always ends a cue."""
LONG_PAUSE_S: Final = 1.5
"""Before a silence this long, the beginning of a sentence does not stay in the cue of the sentence before."""
SOFT_PAUSE_S: Final = 0.3
"""A silence that is a good place to end a cue."""

_ABBREVIATION: Final = 4
_CLAUSE_ENDS: Final = ",;:—–、，；：､،؛፣"


def cues(transcript: Transcript) -> list[Cue]:
    """Cut *transcript* into cues, by word times if it has them, otherwise by its segments."""
    pieces = list(pieces_of(transcript))
    found: list[Cue] = []
    first = 0
    while first < len(pieces):
        last = _end_of_cue(pieces, first)
        group = pieces[first:last]
        start_ms = max(round(group[0].start_s * 1000), found[-1].end_ms if found else 0)
        end_ms = min(max(round(group[-1].end_s * 1000), start_ms + 1), start_ms + MAX_DURATION_MS)
        found.append(Cue(start_ms=start_ms, end_ms=end_ms, lines=_wrap(group)))
        first = last
    return settled(found, round(transcript.duration_s * 1000))


def to_srt(cues: Sequence[Cue]) -> str:
    """Write SubRip. Source: OpenAI's recorded answers, contract §1.3."""
    blocks = (
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_text(cue)}\n\n"
        for number, cue in enumerate(cues, 1)
    )
    return "".join(blocks) + "\n"


def to_vtt(cues: Sequence[Cue]) -> str:
    """Write WebVTT. Source: OpenAI's recorded answers, contract §1.3; escapes: W3C WebVTT §4.2.2."""
    blocks = (
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escape(_text(cue))}\n\n"
        for cue in cues
    )
    return "WEBVTT\n\n" + "".join(blocks)


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _text(cue: Cue) -> str:
    # A parser would take a line with an arrow for the times of a cue.
    return "\n".join(re.sub(r"-{2,}>", "->", line) for line in cue.lines)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _end_of_cue(pieces: Sequence[Piece], first: int) -> int:
    """Return the index after the best last piece of the cue that begins at *first*."""
    best, best_score, columns = first + 1, float("-inf"), 0
    limit = _limit_of_cue(pieces, first)
    if limit == len(pieces):
        return limit
    if _must_end(pieces[limit - 1], pieces[limit]):
        paused = pieces[limit].start_s - pieces[limit - 1].end_s >= LONG_PAUSE_S
        return _end_of_sentences(pieces, first, limit) if paused else limit
    for index in range(first, limit):
        columns += columns_of(pieces[index].text)
        score = 1.5 * columns / (2 * MAX_COLUMNS) + _boundary(pieces[index], pieces[index + 1])
        if score >= best_score:
            best, best_score = index + 1, score
    return best


def _end_of_sentences(pieces: Sequence[Piece], first: int, limit: int) -> int:
    """Return the index after the last sentence that ends between *first* and *limit*; else *limit*."""
    for last in range(limit, first, -1):
        text = pieces[last - 1].text.strip().rstrip(CLOSERS)
        # Dr. and St. do not end a sentence.
        if text.endswith(tuple(SENTENCE_ENDS)) and not (text.endswith(".") and len(text) <= _ABBREVIATION):
            return last
    return limit


def _limit_of_cue(pieces: Sequence[Piece], first: int) -> int:
    """Return the index after the last piece that a cue from *first* may have."""
    line, columns = 1, 0
    for index in range(first, len(pieces)):
        piece = pieces[index]
        if index > first and (
            _must_end(pieces[index - 1], piece)
            or (piece.end_s - pieces[first].start_s) * 1000 > MAX_DURATION_MS
        ):
            return index
        if columns and columns + columns_of(piece.text) <= MAX_COLUMNS:
            columns += columns_of(piece.text)
        elif columns and line > 1:
            return index
        else:
            line += columns > 0
            columns = columns_of(piece.text.lstrip())
    return len(pieces)


def _must_end(piece: Piece, following: Piece) -> bool:
    return following.is_forced or following.start_s - piece.end_s >= HARD_PAUSE_S


def _boundary(piece: Piece, following: Piece) -> float:
    """Score the end of *piece* as a place to end a cue or a line, by sentence, clause and pause."""
    text = piece.text.rstrip(CLOSERS)
    score = 0.0
    if text.endswith(tuple(SENTENCE_ENDS)):
        score = 1.5
    elif text.endswith(tuple(_CLAUSE_ENDS)):
        score = 0.75
    return score + (0.75 if following.start_s - piece.end_s >= SOFT_PAUSE_S else 0.0)


def _wrap(group: Sequence[Piece]) -> tuple[str, ...]:
    """Set a cue in one line if it fits, otherwise in two of similar length, cut at a clause if possible."""
    text = "".join(piece.text for piece in group).strip()
    if columns_of(text) <= MAX_COLUMNS:
        return (text,)
    best: tuple[float, str, str] | None = None
    upper = ""
    for piece, following in pairwise(group):
        upper += piece.text
        top, bottom = upper.strip(), text[len(upper.lstrip()) :].strip()
        widths = columns_of(top), columns_of(bottom)
        if max(widths) <= MAX_COLUMNS:
            cost = abs(widths[0] - widths[1]) - 16 * _boundary(piece, following)
            if best is None or cost < best[0]:
                best = cost, top, bottom
    return best[1:] if best else (text,)

"""Cuts lines into the texts that an engine gets, one for each call, and says what silence follows each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from speechhub.codecs.crossfade import Pause
from speechhub.services.segmentation import DEFAULT_LANGUAGE, PIECE_CHARS, ends_sentence, split_text
from speechhub.speakable import Line
from speechhub.speakable.punctuation import LESSER_STOPS, STOPS, end_of, is_wide, starts_small

BETWEEN_SENTENCES: Final = Pause(shortest_s=0.15, longest_s=0.7, as_spoken=True)
"""What a voice makes of the end of a sentence is left alone within these bounds."""
WITHIN_SENTENCE: Final = Pause(shortest_s=0.0, longest_s=0.3, as_spoken=True)
"""Where a sentence is too long for one call."""
LEEWAY_S: Final = 0.4
"""How much longer than wanted a voice's own silence between two paragraphs may be."""
MOST_PAUSES: Final = 200
"""Pauses between paragraphs that the hub makes, each with a call; then the engine's own have to do."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPiece:
    """The text of one call, and what follows."""

    text: str
    """What the engine speaks; empty where a text begins with a pause, or goes on with one after a flush."""
    pause: Pause = WITHIN_SENTENCE
    """Silence until the next piece; after the last piece there is none unless the text `asked` for it."""
    asked: bool = False
    """Whether the text itself says how long the pause is."""

    @property
    def ends_sentence(self) -> bool:
        """Whether it ends where a sentence or a line does, if anything follows."""
        return self.pause != WITHIN_SENTENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceRules:
    """How lines are cut for one engine and one request."""

    language: str = DEFAULT_LANGUAGE
    """ISO 639-1 code; abbreviations differ."""
    limit_chars: int = PIECE_CHARS
    """Longest piece."""
    first_alone: bool = False
    """Whether the first sentence is a piece of its own, so that it is heard soon."""
    each_alone: bool = False
    """Whether every sentence is a piece of its own."""
    interval_s: float | None = None
    """Pause between sentences that the client wants, in seconds."""


def pieces(lines: Iterable[Line], how: PieceRules) -> Iterator[TextPiece]:
    """Yield the pieces of *lines*; short lines share one, with stops between them that every engine keeps."""
    held, begun, pauses = "", False, 0
    for line in lines:
        if not line.text:
            yield TextPiece(text="", pause=_pause(line, how), asked=line.asked)
            continue
        for part, is_last in _with_last(_parts(line.text, how, begun=begun)):
            joined = _joined(held, part)
            if held and (joined is None or len(joined) > how.limit_chars):
                yield TextPiece(text=held, pause=_pause(None, how))
                joined = part
            held, alone = joined or part, how.each_alone or (how.first_alone and not begun)
            begun = True
            if not is_last:
                yield TextPiece(
                    text=held, pause=_pause(None, how) if ends_sentence(held) else WITHIN_SENTENCE
                )
                held = ""
            elif alone or line.asked or (line.pause_s is not None and pauses < MOST_PAUSES):
                pauses += not line.asked
                yield TextPiece(text=held, pause=_pause(line, how), asked=line.asked)
                held = ""
    if held:
        yield TextPiece(text=held)


def _parts(text: str, how: PieceRules, *, begun: bool) -> Iterator[str]:
    return split_text(
        text,
        language=how.language,
        limit_chars=how.limit_chars,
        first_alone=how.first_alone and not begun,
        each_alone=how.each_alone,
    )


def _pause(line: Line | None, how: PieceRules) -> Pause:
    """Return the silence after a sentence, or at the end of *line*."""
    if line is not None and line.asked and line.pause_s is not None:
        exactly = max(line.pause_s, how.interval_s or 0.0)
        return Pause(shortest_s=exactly, longest_s=exactly)
    if how.interval_s is not None:
        return Pause(shortest_s=how.interval_s, longest_s=how.interval_s)
    if line is not None and line.pause_s is not None:
        return Pause(shortest_s=line.pause_s, longest_s=line.pause_s + LEEWAY_S)
    return BETWEEN_SENTENCES


def _joined(before: str, after: str) -> str | None:
    """Return two lines as one text, or None where an engine would make no pause between them.

    Piper's front end goes over a full stop before a small letter and over an ellipsis; a semicolon stops it.
    """
    if not before:
        return after
    end = end_of(before)
    if not end or before.endswith(("…", "...")):
        return None
    space = "" if is_wide(end) else " "
    if end in STOPS:
        return None if starts_small(after) else f"{before}{space}{after}"
    if end in LESSER_STOPS:
        return f"{before}{space}{after}"
    if is_wide(end):
        return f"{before}。{after}"
    return f"{before}; {after}" if starts_small(after) else f"{before}. {after}"


def _with_last(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Yield each item, and whether it is the last."""
    found = iter(items)
    for item in found:
        for following in found:
            yield item, False
            item = following  # noqa: PLW2901
        yield item, True

"""Lines: stretches of speech, each with the pause after it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from speechhub.speakable.marks import CELL, LINE, PARAGRAPH, parts

PARAGRAPH_S: Final = 0.6
"""Pause after a paragraph or a heading, in seconds: about twice that after a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A stretch of a text that does not run together with the next one."""

    text: str
    """Without line ends inside, unless the client's text is unchanged; empty for a pause before the first."""
    pause_s: float | None = None
    """Silence until the next line, in seconds; None means the usual one between two sentences."""
    asked: bool = False
    """Whether the text itself asks for this pause, as with SSML's ``<break>``."""


def assembled(marked: Iterable[str]) -> Iterator[Line]:
    """Yield the lines of texts with `marks`; text without words joins the next line, or the last one."""
    line, text = Line(text=""), ""
    wordless: list[str] = []
    for part in _all_parts(marked):
        if isinstance(part, str) and part not in (LINE, PARAGRAPH):
            text += part
            continue
        if has_words(text):
            if line.text or line.asked:
                yield line
            line, wordless = Line(text=_cells(" ".join([*wordless, text]))), []
        elif alone := _cells(text):
            wordless.append(alone)
        text = ""
        line = _with_pause(line, part, wordless=bool(wordless))
    if wordless:
        line = replace(line, text=" ".join([line.text, *wordless]).strip())
    if line.text or line.asked:
        yield line if line.asked else replace(line, pause_s=None)


def has_words(text: str) -> bool:
    """Return whether *text* contains a letter of any script, or a digit."""
    return any(character.isalnum() for character in text)


def _all_parts(marked: Iterable[str]) -> Iterator[str | float]:
    for text in marked:
        yield from parts(text)
    yield LINE


def _with_pause(line: Line, end: str | float, *, wordless: bool) -> Line:
    """Return *line* with the pause of its end; pauses that the text asks for in one place add up."""
    if not isinstance(end, str):
        pause_s = (line.pause_s or 0) + end if line.asked else max(line.pause_s or 0, end)
        return replace(line, pause_s=pause_s, asked=True)
    if end == PARAGRAPH and line.text and not (wordless or line.asked):
        return replace(line, pause_s=max(line.pause_s or 0, PARAGRAPH_S))
    return line


def _cells(text: str) -> str:
    """Return a row's cells with commas between them; most lines are not rows, and have one cell."""
    return ", ".join(cell for cell in map(str.strip, text.split(CELL)) if cell)

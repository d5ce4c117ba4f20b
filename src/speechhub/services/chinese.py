"""Chinese text in the script that a client asked for."""

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from speechhub.domain.script import ChineseScript
from speechhub.engine import Segment, Transcript, Word
from speechhub.errors import ConfigurationError
from speechhub.pools import Pool

LANGUAGES: Final = frozenset({"zh", "yue"})
"""Codes of the languages that are written in these scripts."""
_MARKS: Final = r"\s，。！？；：、…,.!?;:"  # noqa: RUF001
_CLAUSE: Final = re.compile(f"[^{_MARKS}]*[{_MARKS}]|[^{_MARKS}]+")
"""Words and phrases that OpenCC knows do not reach beyond one, so that each can be converted for itself."""
_END: Final = re.compile(f"[{_MARKS}]")

INSTALL_OPENCC: Final = (
    f"Install it: {sys.executable} -m pip install --force-reinstall 'opencc>=1.4.2,<2'. "
    "Then start the server again."
)

Convert = Callable[[str], str]


class Scripts:
    """OpenCC's conversions, each loaded when it is first asked for; one for the life of the server.

    The first takes 45 MB and a fifth of a second, the others next to nothing.
    """

    def __init__(self, pool: Pool) -> None:
        """Load nothing yet; OpenCC loads later, in a thread of *pool*."""
        self._pool = pool
        self._loaded: dict[ChineseScript, Convert] = {}

    async def get(self, script: ChineseScript) -> Convert:
        """Return what converts text into a script."""
        if script not in self._loaded:
            self._loaded[script] = await self._pool.run(_load, script)
        return self._loaded[script]


def _load(script: ChineseScript) -> Convert:
    try:
        import opencc  # noqa: PLC0415  # memory that most servers never need
    except (ImportError, OSError) as error:  # no wheel for this machine, or one that is damaged
        raise ConfigurationError(
            f"Chinese cannot be converted to the requested script: the package opencc does not work "
            f"here ({error}). {INSTALL_OPENCC}"
        ) from error
    return opencc.OpenCC(script.value).convert


def convert(text: str, by: Convert) -> str:
    """Return *text* converted clause by clause, so that a stream comes to the same."""
    return "".join(by(clause) for clause in _CLAUSE.findall(text))


class ScriptedDeltas:
    """Pieces of text, converted as soon as no later one can change that; lives as long as a passage."""

    def __init__(self, by: Convert) -> None:
        self._by = by
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece of text; return what is certain: all up to the last clause that has ended."""
        self._held += piece
        ends = [match.end() for match in _END.finditer(self._held)]
        certain, self._held = (self._held[: ends[-1]], self._held[ends[-1] :]) if ends else ("", self._held)
        return convert(certain, self._by)


def convert_transcript(transcript: Transcript, by: Convert) -> Transcript:
    """Return a transcript whose text, segments and words are converted together, and still join."""
    text = "".join(segment.text for segment in transcript.segments)
    if not transcript.segments or text.strip() != transcript.text:
        return replace(
            transcript,
            text=convert(transcript.text, by),
            segments=tuple(_segment(segment, by) for segment in transcript.segments),
        )
    ruler = _Ruler.of(text, by)
    segments, at = [], 0
    for segment in transcript.segments:
        segments.append(_cut(segment, ruler, at))
        at += len(segment.text)
    return replace(transcript, text=ruler.converted.strip(), segments=tuple(segments))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ruler:
    """Places in a text, and where they are in the converted one."""

    converted: str
    starts: Sequence[int]
    """Where the clauses start in the text, and where it ends."""
    starts_there: Sequence[int]
    """The same in the converted one."""

    @classmethod
    def of(cls, text: str, by: Convert) -> "_Ruler":
        parts, starts, starts_there = [], [0], [0]
        for clause in _CLAUSE.findall(text):
            parts.append(by(clause))
            starts.append(starts[-1] + len(clause))
            starts_there.append(starts_there[-1] + len(parts[-1]))
        return cls(converted="".join(parts), starts=starts, starts_there=starts_there)

    def slice(self, start: int, end: int) -> str:
        """Return what the text from *start* to *end* has become."""
        return self.converted[self._there(start) : self._there(end)]

    def _there(self, place: int) -> int:
        """Return a place of the text in the converted one; within a clause in proportion to its lengths."""
        clause = min(bisect_right(self.starts, place) - 1, len(self.starts) - 2)
        if clause < 0:
            return 0
        here, next_here = self.starts[clause : clause + 2]
        there, next_there = self.starts_there[clause : clause + 2]
        return there + round((place - here) * (next_there - there) / (next_here - here))


def _segment(segment: Segment, by: Convert) -> Segment:
    return _cut(segment, _Ruler.of(segment.text, by), 0)


def _cut(segment: Segment, ruler: _Ruler, at: int) -> Segment:
    """Return a segment, whose text starts at *at*, with what the ruler has for it."""
    text = ruler.slice(at, at + len(segment.text))
    words = segment.words
    if "".join(word.text for word in words) == segment.text:
        words = tuple(_words(words, ruler, at))
    return replace(segment, text=text, words=words)


def _words(words: Sequence[Word], ruler: _Ruler, at: int) -> Iterator[Word]:
    """Yield the words; one of which nothing is left becomes a part of the one before it."""
    last: Word | None = None
    for word in words:
        text = ruler.slice(at, at + len(word.text))
        at += len(word.text)
        if last is not None and not text:
            last = replace(last, end_s=word.end_s)
            continue
        if last is not None:
            yield last
        last = replace(word, text=text)
    if last is not None:
        yield last

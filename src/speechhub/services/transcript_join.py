"""Joins the transcripts of a recording's passages to one. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from speechhub.domain.script import space_between
from speechhub.engine import Segment, Transcript, Word

DECIMALS: Final = 6
"""Of a time in seconds; sums of floats beyond that could make segments overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTranscript(Transcript):
    """What was said in one recording; its warnings tell what is wrong with the recording, too."""


class Joiner:
    """Puts one transcript together; lives as long as its recording.

    The text that `feed` and `add` return joins to the transcript's text exactly.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._segments: list[Segment] = []
        self._joint = ""
        """Between what came before and the passage that is being fed."""
        self._fed = ""
        """Text of that passage."""
        self._held = ""
        """Space at its end: no text ends with a space, so it counts once something follows."""
        self._warnings: list[str] = []
        self.language: str | None = None
        """Of the first passage that has text."""

    def feed(self, piece: str) -> str:
        """Take a piece of the next passage's text, before its transcript; return what to add to the text."""
        text = self._held + piece if self._fed else piece.lstrip()
        said = text.rstrip()
        self._held = text[len(said) :]
        if not said:
            return ""
        joint = ""
        if not self._fed:
            joint = self._joint = self._joint_to(said)
        self._fed += said
        return joint + said

    def add(self, transcript: Transcript, start_s: float) -> str:
        """Take the next passage's transcript; return what to add to the text.

        Args:
            transcript: with times from the start of the passage.
            start_s: where the passage starts in the recording, in seconds.
        """
        text = transcript.text.strip()
        self._warnings += transcript.warnings
        rest = ""
        if not self._fed:
            rest = self.feed(text)
        elif text.startswith(self._fed):
            rest = text[len(self._fed) :]
            self._fed = text
        # Otherwise the engine thought better of it; what was sent cannot be taken back.
        if self._fed:
            self.language = self.language or transcript.language
            self._segments += _placed(transcript.segments, start_s, self._joint if self._texts else None)
            self._texts.append(self._joint + self._fed)
        self._joint = self._fed = self._held = ""
        return rest

    def finish(
        self,
        *,
        duration_s: float,
        language: str | None,
        languages: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> JoinedTranscript:
        """Return the transcript of the whole.

        Args:
            duration_s: length of the recording, in seconds.
            language: what is spoken, where that is certain; by default the first passage's.
            languages: all that are spoken, the one in which most is said first.
            warnings: what is wrong with the recording.
        """
        language = language or self.language
        return JoinedTranscript(
            text="".join(self._texts),
            language=language,
            languages=tuple(dict.fromkeys(filter(None, (language, *languages)))),
            duration_s=duration_s,
            segments=tuple(self._segments),
            warnings=tuple(dict.fromkeys((*warnings, *self._warnings))),
        )

    def _joint_to(self, text: str) -> str:
        return space_between(self._texts[-1], text) if self._texts else ""


def _placed(segments: Iterable[Segment], start_s: float, joint: str | None) -> Iterable[Segment]:
    """Yield the segments with times from the start of the recording; the first begins with the joint."""
    if not start_s and joint is None:
        yield from segments
        return
    for segment in segments:
        text, words = segment.text, tuple(_shifted(segment.words, start_s))
        if joint is not None and text.strip():
            text = joint + text.lstrip()
            if words:
                words = (replace(words[0], text=joint + words[0].text.lstrip()), *words[1:])
            joint = None
        yield replace(
            segment,
            text=text,
            start_s=round(segment.start_s + start_s, DECIMALS),
            end_s=round(segment.end_s + start_s, DECIMALS),
            words=words,
        )


def _shifted(words: Iterable[Word], start_s: float) -> Iterable[Word]:
    for word in words:
        yield replace(
            word,
            start_s=round(word.start_s + start_s, DECIMALS),
            end_s=round(word.end_s + start_s, DECIMALS),
        )

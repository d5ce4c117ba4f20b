"""Languages of a recording: which each passage is in, and which passages to transcribe once more. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speechhub.engine import Transcript

CERTAIN_S: Final = 3.0
"""A passage of this length, in seconds, tells its language; a shorter one may be a cough."""
DOUBTFUL_S: Final = 6.0
"""A shorter passage, in seconds, in another language than both of its neighbours was likely misheard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardPassage:
    """What was heard in one passage."""

    transcript: Transcript
    length_s: float
    """Of the passage, in seconds."""
    asked: str | None
    """The language that the engine was told; None if it found out."""


class RecordingLanguages:
    """The languages of one recording; lives as long as its request."""

    def __init__(
        self,
        *,
        named: str | None,
        allowed: Sequence[str] = (),
        known: Sequence[str] = (),
        each_passage: bool = False,
    ) -> None:
        """Begin.

        Args:
            named: The language that the client named; all passages are in it.
            allowed: Those that the client said may be spoken; empty means any.
            known: Those of the model; empty means any.
            each_passage: Whether each passage is to tell its own; otherwise the first that is certain tells
                it for all that follow.
        """
        self._named = named
        self.allowed = () if named else tuple(allowed)
        self._known = known
        self._each_passage = each_passage
        self._spoken_s: dict[str, float] = {}
        self._certain: str | None = None
        """The first that was certain."""

    @property
    def prevailing(self) -> str | None:
        """The language in which most is said so far; None until one is certain."""
        if self._named is not None or not self._each_passage:
            return self._named or self._certain
        return self._most() if self._certain else None

    @property
    def all(self) -> tuple[str, ...]:
        """All that were heard; the one in which most is said comes first."""
        return tuple(sorted(self._spoken_s, key=self._spoken_s.__getitem__, reverse=True))

    def to_ask(self, length_s: float) -> str | None:
        """Return the language to name for a passage of *length_s*; None has the engine detect it."""
        if self._each_passage and self._named is None and length_s >= CERTAIN_S:
            return None
        return self.prevailing

    def better(
        self, found: HeardPassage, before: HeardPassage | None, after: HeardPassage | None
    ) -> str | None:
        """Return the language in which to decode a passage once more; None if it is well as it is.

        Args:
            found: What was heard in it.
            before: What was heard in the passage before it; None at the start.
            after: The same of the one after it; None at the end, or where it is not known yet.
        """
        language = found.transcript.language
        if found.asked is not None or not found.transcript.text or language is None:
            return None
        if self.allowed and language not in self.allowed:
            return self.prevailing if self.prevailing in self.allowed else self.allowed[0]
        if not self._is_odd(found, before) or after is None or not after.transcript.text:
            return None
        if language == after.transcript.language:
            return None
        both = before is not None and before.transcript.language == after.transcript.language
        return after.transcript.language if both else self.prevailing

    def waits(self, found: HeardPassage, before: HeardPassage | None) -> bool:
        """Tell whether the passage after it must be heard before `better` can be asked."""
        return self._is_odd(found, before)

    def heard(self, found: HeardPassage) -> None:
        """Take note of a passage that is not decoded again."""
        language = found.transcript.language
        if language is None or not found.transcript.text:
            return
        for other in (language, *found.transcript.languages):
            self._spoken_s.setdefault(other, 0.0)
        self._spoken_s[language] += found.length_s
        known = not self._known or language in self._known
        if self._certain is None and known and found.length_s >= CERTAIN_S:
            self._certain = language

    def _is_odd(self, found: HeardPassage, before: HeardPassage | None) -> bool:
        """Tell whether a short passage is in another language than the one before it."""
        return (
            self._each_passage
            and found.asked is None
            and found.length_s < DOUBTFUL_S
            and bool(found.transcript.text)
            and before is not None
            and bool(before.transcript.text)
            and found.transcript.language != before.transcript.language
        )

    def _most(self) -> str | None:
        known = [language for language in self.all if not self._known or language in self._known]
        return known[0] if known else None

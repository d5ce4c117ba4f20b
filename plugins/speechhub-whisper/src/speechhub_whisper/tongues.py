"""The language of each clip of a recording. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from speechhub_whisper.clips import Clip

Found = Sequence[tuple[str, float]]
"""Whisper's codes of languages with their probabilities, the likeliest first."""

CERTAIN_S: Final = 3.0
"""Less speech, in seconds, does not reveal its language: it is taken to be in the prevailing one."""
SURE: Final = 0.7
"""Probability from which on a clip counts as being in another language than the prevailing one.

Whisper base gives clips in one language 0.88 and more, and half as much to a clip of 2 s that it mistakes
for another language.
"""

UNMIXED: Final = 0.95
"""Probability from which on a whole clip counts as being in one language.

Whisper base gives 0.98 and more to English with English, and up to 0.94 to English with another language; a
clip in Spanish alone may stay below, and is then examined without need.
"""


class Tongues:
    """The languages of one recording; lives as long as its call."""

    def __init__(self, *, named: str | None, allowed: Sequence[str] = ()) -> None:
        """Start without any clip.

        Args:
            named: The language that the request names; all clips are then taken to be in it.
            allowed: Languages that may be spoken; empty means all.
        """
        self.named = named
        self._allowed = tuple(allowed)
        self._first: str | None = None
        self._spoken_s: dict[str, float] = {}

    @property
    def main(self) -> str | None:
        """The language with the most speech so far; None before the first clip."""
        return self.named or max(self._spoken_s, key=self._spoken_s.__getitem__, default=self._first)

    @property
    def all(self) -> tuple[str, ...]:
        """The languages that were heard, the one with the most speech first."""
        return tuple(sorted(self._spoken_s, key=self._spoken_s.__getitem__, reverse=True))

    def begin(self, found: Found) -> str:
        """Return the likeliest language of the first clip, and use it until a clip has been decoded."""
        self._first, _ = self._likeliest(found)
        return self._first

    def choose(self, clip: Clip, found: Found) -> str:
        """Return the language in which to decode a clip."""
        main = self.main
        if self.named is not None:
            return self.named
        language, probability = self._likeliest(found)
        if main is None or (probability >= SURE and clip.spoken_s >= CERTAIN_S):
            return language
        return main

    def may_be_mixed(self, found: Found) -> bool:
        """Tell whether a clip may contain several languages."""
        return self.named is None and bool(found) and self._likeliest(found)[1] < UNMIXED

    def apart(self, parts: Sequence[Clip], probe: Callable[[Clip], Found]) -> list[tuple[Clip, str]]:
        """Return the parts of a clip by language, each as long as possible; none if all are in one.

        A part with little speech, or whose language is unsure, is joined to the part before it; at the start,
        to the part after it.

        Args:
            probe: Returns the languages of a part.
        """
        if sum(part.spoken_s >= CERTAIN_S for part in parts) < 2:  # noqa: PLR2004  # at least two are needed
            return []
        runs: list[tuple[Clip, str | None]] = []
        for part in parts:
            sure = self._sure(probe(part)) if part.spoken_s >= CERTAIN_S else None
            if runs and (sure is None or runs[-1][1] in (sure, None)):
                before, spoken = runs.pop()
                runs.append((before.with_next(part), sure or spoken))
            else:
                runs.append((part, sure))
        return [(clip, language or "") for clip, language in runs] if len(runs) > 1 else []

    def heard(self, clip: Clip, language: str) -> None:
        """Record that a clip had words in a language."""
        self._spoken_s[language] = self._spoken_s.get(language, 0.0) + clip.spoken_s

    def _sure(self, found: Found) -> str | None:
        language, probability = self._likeliest(found)
        return language if probability >= SURE else None

    def _likeliest(self, found: Found) -> tuple[str, float]:
        allowed = [(code, p) for code, p in found if code in self._allowed] if self._allowed else list(found)
        whole = sum(p for _, p in allowed)
        if not whole:
            return (self._allowed or (found[0][0],))[0], 0.0
        code, probability = allowed[0]
        return code, probability / whole

"""Decides where a long recording is cut: in its silences. Pure; it sees probabilities, and no audio."""

from dataclasses import dataclass
from typing import Final

from speechhub.codecs.vad import WINDOW_S

SPEECH: Final = 0.3
"""Probability from which on a window counts as speech: lost words are worse than heard silence."""
MIN_SPEECH: Final = 3
"""A passage with fewer windows of speech is a click."""
MIN_SILENCE: Final = round(0.16 / WINDOW_S)
"""Shortest silence to cut in, in windows; shorter ones are inside words."""
MAX_SILENCE: Final = round(5.0 / WINDOW_S)
"""A silence of so many windows ends a passage, however short: engines hear words in long silences."""
PADDING: Final = round(0.4 / WINDOW_S)
"""Windows kept around a passage's speech, so that soft beginnings and ends survive."""
MARGIN: Final = round(0.5 / WINDOW_S)
"""A cut inside speech leaves so many windows, at least, to the next passage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a recording, in windows of `WINDOW_S`."""

    first: int
    end: int
    """The window after the last."""


class Cutter:
    """Divides one recording into stretches with all its speech, in order and apart from each other.

    A stretch ends in the longest silence of the last third that it could have; where there is none, in the
    last silence before, and only in speech without any silence, where it is least like speech.

    Args:
        longest: length, in windows, that no stretch exceeds; at least 1 s.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._now = 0
        self._done = 0
        """End of the last stretch."""
        self._first: int | None = None
        """Start of the open stretch."""
        self._speech_end = 0
        self._silences: list[Stretch] = []
        """In the open stretch, and long enough to cut in."""
        self._probabilities: list[float] = []
        """Of the windows from the open stretch's start."""

    @property
    def needed_from(self) -> int:
        """First window that a coming stretch can hold."""
        return max(self._done, self._now - PADDING) if self._first is None else self._first

    def add(self, probability: float) -> list[Stretch]:
        """Take the next window's probability of speech; return the stretches that are decided by it."""
        window = self._now
        self._now += 1
        if self._first is not None:
            self._probabilities.append(probability)
        if probability < SPEECH:
            if self._first is not None and self._now - self._speech_end >= MAX_SILENCE:
                return self._close(self._first)
            return []
        if self._first is None:
            self._first = max(self._done, window - PADDING)
            self._probabilities = [0.0] * (window - self._first) + [probability]
            self._silences = []
        elif window - self._speech_end >= MIN_SILENCE:
            self._silences.append(Stretch(first=self._speech_end, end=window))
        self._speech_end = self._now
        cut = []
        while self._now - self._first > self._longest:
            cut += self._cut(self._first)
        return cut

    def finish(self) -> list[Stretch]:
        """Return what is left; the recording ends here."""
        return [] if self._first is None else self._close(self._first)

    def _close(self, first: int) -> list[Stretch]:
        limit = min(self._now, first + self._longest)
        return self._end(first, min(self._speech_end + PADDING, limit), next_first=None)

    def _cut(self, first: int) -> list[Stretch]:
        late = first + self._longest * 2 // 3
        silences = [it for it in self._silences if it.first >= late] or self._silences[-1:]
        if not silences:
            last = max(late + 1, first + self._longest - MARGIN)
            place = min(range(late, last), key=lambda it: self._probabilities[it - first])
            return self._end(first, place, next_first=place)
        best = max(silences, key=lambda it: it.end - it.first)
        middle = (best.first + best.end) // 2
        limit = min(middle, first + self._longest)
        next_first = max(middle, best.end - PADDING)
        return self._end(first, min(best.first + PADDING, limit), next_first=next_first)

    def _end(self, first: int, end: int, *, next_first: int | None) -> list[Stretch]:
        """End the open stretch, and open the next one, if it has begun already."""
        speech = sum(it >= SPEECH for it in self._probabilities[: end - first])
        self._done, self._first = end, next_first
        if next_first is not None:
            self._silences = [it for it in self._silences if it.first >= next_first]
            self._probabilities = self._probabilities[next_first - first :]
        return [Stretch(first=first, end=end)] if speech >= MIN_SPEECH else []

"""Decides where a long recording is cut: in its silences. Pure: works on probabilities, not on audio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speechhub.codecs.vad import WINDOW_S

SPEECH: Final = 0.3
"""Lowest probability at which a window counts as speech: losing words is worse than transcribing silence."""
MIN_SPEECH: Final = 3
"""A passage with fewer windows of speech is taken for a click."""
MIN_SILENCE: Final = round(0.16 / WINDOW_S)
"""Shortest silence to cut in, in windows; shorter ones are inside words."""
MAX_SILENCE: Final = round(5.0 / WINDOW_S)
"""A silence of this many windows ends a passage, however short: engines hear words in long silences."""
PADDING: Final = round(0.4 / WINDOW_S)
"""Windows kept around a passage's speech, so that soft beginnings and ends are not lost."""
MARGIN: Final = round(0.5 / WINDOW_S)
"""A cut inside speech leaves at least this many windows for the next passage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a recording, in windows of `WINDOW_S`."""

    first: int
    end: int
    """The window after the last one."""


class Cutter:
    """Divides one recording into stretches that hold all its speech, in order and without overlap.

    A stretch ends in the longest silence of its last third, counted at its longest length; without one, in
    the last silence before that. Speech without any silence is cut where it is least like speech.

    Args:
        longest: most windows in a stretch; at least 1 s.
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
        """Silences of the open stretch that are long enough to cut in."""
        self._probabilities: list[float] = []
        """Probabilities of the windows since the open stretch's start."""

    @property
    def needed_from(self) -> int:
        """First window that a later stretch can still hold."""
        return max(self._done, self._now - PADDING) if self._first is None else self._first

    def add(self, probability: float) -> list[Stretch]:
        """Take the next window's probability of speech; return the stretches that it completes."""
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
        silences = [silence for silence in self._silences if silence.first >= late] or self._silences[-1:]
        if not silences:
            place = first + least_like_speech(self._probabilities, late - first, self._longest - MARGIN)
            return self._end(first, place, next_first=place)
        best = max(silences, key=lambda silence: silence.end - silence.first)
        middle = (best.first + best.end) // 2
        limit = min(middle, first + self._longest)
        next_first = max(middle, best.end - PADDING)
        return self._end(first, min(best.first + PADDING, limit), next_first=next_first)

    def _end(self, first: int, end: int, *, next_first: int | None) -> list[Stretch]:
        """End the open stretch, and open the next one if it has begun already."""
        speech = sum(probability >= SPEECH for probability in self._probabilities[: end - first])
        self._done, self._first = end, next_first
        if next_first is not None:
            self._silences = [silence for silence in self._silences if silence.first >= next_first]
            self._probabilities = self._probabilities[next_first - first :]
        return [Stretch(first=first, end=end)] if speech >= MIN_SPEECH else []


def least_like_speech(probabilities: Sequence[float], first: int, end: int) -> int:
    """Return the window from *first* to before *end* that is least like speech; *first* if there is none."""
    return min(range(first, max(first + 1, end)), key=probabilities.__getitem__)

"""Joins speech that was made in parts: no clicks, no doubled silence, and the pause that is wanted."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FADE_S: Final = 0.005
"""Parts begin and end so softly where they meet; a wave that is broken off clicks."""
MARGIN_S: Final = 0.02
"""Silence that a part keeps next to its sound, however short the pause: soft consonants are in it."""
HELD_S: Final = 2.0
"""Longest silence that is held back to see whether a part ends with it."""
QUIET: Final = 0.003
"""Samples below, of ±1, are silence: -50 dBFS. Models' silence is below, faint voices are above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How much silence there may be from the last sound of a part to the first one of the next."""

    shortest_s: float
    longest_s: float


class Seams:
    """Joins the parts of one speech; mono, one sample rate, and at home in one stream.

    Samples flow on as they come, but for silence at the end of what was given, which waits for what follows.
    Where no parts meet, nothing is changed.
    """

    def __init__(self, sample_rate: int) -> None:
        """Begin with the first part; *sample_rate* is in hertz."""
        self._rate = sample_rate
        self._fade = self._count(FADE_S)
        self._tail = np.empty(0, np.float32)
        """What is held back: the silence that the part may end with, and a little sound before it."""
        self._sound_in_tail = 0
        self._silence_before_tail = 0
        self._pause: Pause | None = None
        """Set between two parts, until there is a sound of the second."""
        self._lead = np.empty(0, np.float32)
        """Silence that the second part begins with."""
        self._begun = self._sounded = False

    def join(self, pause: Pause) -> None:
        """Begin another part, after *pause*; the first part begins by itself."""
        if self._begun:
            self._pause = pause

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples of a part; return those that are ready, which may be none.

        Args:
            samples: float32, shape (n_samples,), range [-1, 1].
        """
        self._begun = self._begun or len(samples) > 0
        if self._pause is None:
            return self._hold(samples)
        self._lead = np.append(self._lead, samples)
        sound = np.flatnonzero(np.abs(self._lead) > QUIET)
        if not len(sound):
            self._lead = self._lead[-self._count(HELD_S) :]
            return self._lead[:0]
        end, start = self._meet(self._pause, int(sound[0]))
        self._pause, self._lead = None, self._lead[:0]
        self._tail, self._sound_in_tail, self._silence_before_tail = self._tail[:0], 0, 0
        return np.append(end, self._hold(start))

    def finish(self) -> NDArray[np.float32]:
        """Return what is left; the speech ends here."""
        rest, self._tail = self._tail, self._tail[:0]
        return rest

    def _hold(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is ready, and hold back what could turn out to be the end of the part."""
        both = np.append(self._tail, samples)
        sound = np.flatnonzero(np.abs(both) > QUIET)
        if len(sound):
            end, self._silence_before_tail, self._sounded = int(sound[-1]) + 1, 0, True
        else:
            end = self._sound_in_tail
        ready = max(min(end, len(both) - self._fade), len(both) - self._count(HELD_S), 0)
        if not self._sounded:  # the listener waits for the first bytes, and here nothing can end
            ready = len(both)
        self._silence_before_tail += max(ready - end, 0)
        self._tail, self._sound_in_tail = both[ready:], max(end - ready, 0)
        return both[:ready]

    def _meet(self, pause: Pause, lead: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how the one part ends, pause included, and how the next begins, after *lead* silence."""
        shortest, longest = self._count(pause.shortest_s), self._count(pause.longest_s)
        margin, tail = self._count(MARGIN_S), len(self._tail) - self._sound_in_tail
        natural = self._silence_before_tail + tail + lead
        kept_tail, kept_lead = tail, lead
        if natural > longest:
            left = longest - self._silence_before_tail
            kept_tail = min(tail, max(left - min(lead, margin), margin))
            kept_lead = min(lead, max(left - kept_tail, margin))
        end = self._tail[: self._sound_in_tail + kept_tail].copy()
        start = self._lead[lead - kept_lead :].copy()
        for edge in (end[::-1], start):
            softly = edge[: self._fade]
            softly *= np.linspace(0, 1, len(softly), endpoint=False, dtype=np.float32)
        return np.append(end, np.zeros(max(shortest - natural, 0), np.float32)), start

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate)

"""Joins speech that was made in parts: without clicks or doubled silence, and with the requested pause."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FADE_S: Final = 0.005
"""Length of the fade where parts meet; a wave that stops abruptly clicks."""
MARGIN_S: Final = 0.02
"""Silence that a part keeps next to its sound, however short the pause: it holds soft consonants."""
HELD_S: Final = 2.0
"""Longest silence that is held back until it is known whether the part ends with it."""
QUIET: Final = 0.003
"""Samples closer to 0 than this count as silence: -50 dBFS. The silence of models is below it, faint voices
are above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How much silence there may be between the last sound of one part and the first sound of the next."""

    shortest_s: float
    longest_s: float
    as_spoken: bool = False
    """Whether these are bounds of the voice's own silence, before the speed changes; otherwise they are what
    the listener hears, at any speed."""


class Seams:
    """Joins the parts of one speech: mono, at one sample rate; lives for one stream.

    Samples are passed on as they arrive, except silence at the end, which waits for what follows it. Samples
    are changed only where parts meet.
    """

    def __init__(self, sample_rate: int) -> None:
        """Begin with the first part; *sample_rate* is in hertz."""
        self._rate = sample_rate
        self._fade = self._count(FADE_S)
        self._tail = np.empty(0, np.float32)
        """Samples held back: the silence that the part may end with, and a little sound before it."""
        self._sound_in_tail = 0
        self._silence_before_tail = 0
        self._added = 0
        """Silence among that, which was made before the next part was there."""
        self._pause: Pause | None = None
        """Set between two parts, until the first sound of the second."""
        self._lead = np.empty(0, np.float32)
        """Silence that the second part begins with."""
        self._begun = self._sounded = False

    def join(self, pause: Pause) -> None:
        """Begin another part, after *pause*; the first part needs no call."""
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
        self._pause, self._lead, self._added = None, self._lead[:0], 0
        self._tail, self._sound_in_tail, self._silence_before_tail = self._tail[:0], 0, 0
        return np.append(end, self._hold(start))

    def settle(self, pause: Pause) -> NDArray[np.float32]:
        """Return what is held back, with the silence that *pause* has in any case: the next part is late.

        When it comes, it gets the pause that it would have had.
        """
        if not self._begun or self._pause is not None:
            return self._tail[:0]
        most = max(self._count(pause.longest_s) - 2 * self._count(MARGIN_S) - self._silence_before_tail, 0)
        end, self._tail = np.split(self._tail, [self._sound_in_tail + most])
        silence = len(end) - self._sound_in_tail
        shortest = self._count(pause.shortest_s) - self._count(MARGIN_S) - self._silence_before_tail
        added = max(min(shortest, most) - silence, 0)
        self._silence_before_tail += silence + added
        self._added += added
        self._sound_in_tail = 0
        end = end.copy()
        self._soften(end[::-1])
        return np.append(end, np.zeros(added, np.float32))

    def finish(self) -> NDArray[np.float32]:
        """Return what is left; the speech ends here."""
        rest, self._tail = self._tail, self._tail[:0]
        return rest

    def _hold(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the samples that are ready, and hold back what may be the end of the part."""
        both = np.append(self._tail, samples)
        sound = np.flatnonzero(np.abs(both) > QUIET)
        if len(sound):
            end, self._silence_before_tail, self._sounded = int(sound[-1]) + 1, 0, True
        else:
            end = self._sound_in_tail
        ready = max(min(end, len(both) - self._fade), len(both) - self._count(HELD_S), 0)
        if not self._sounded:  # the listener waits, and nothing can end before the first sound
            ready = len(both)
        self._silence_before_tail += max(ready - end, 0)
        self._tail, self._sound_in_tail = both[ready:], max(end - ready, 0)
        return both[:ready]

    def _meet(self, pause: Pause, lead: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the end of one part with the pause, and the beginning of the next.

        Args:
            pause: how much silence there may be.
            lead: samples of silence at the beginning of the next part.
        """
        shortest, longest = self._count(pause.shortest_s), self._count(pause.longest_s)
        margin, tail = self._count(MARGIN_S), len(self._tail) - self._sound_in_tail
        natural = self._silence_before_tail + tail + lead
        kept_tail, kept_lead = tail, lead
        if natural > longest:
            left = longest - self._silence_before_tail
            kept_tail = min(tail, max(left - min(lead, margin), margin))
            kept_lead = min(lead, max(left - kept_tail, margin))
        too_much = min(self._added, natural - shortest)  # as if the added silence had waited for this part
        kept_lead = min(kept_lead, max(lead - max(too_much, 0), margin))
        end = self._tail[: self._sound_in_tail + kept_tail].copy()
        start = self._lead[lead - kept_lead :].copy()
        self._soften(end[::-1])
        self._soften(start)
        return np.append(end, np.zeros(max(shortest - natural, 0), np.float32)), start

    def _soften(self, edge: NDArray[np.float32]) -> None:
        """Fade the beginning of *edge* in, in place."""
        softly = edge[: self._fade]
        softly *= np.linspace(0, 1, len(softly), endpoint=False, dtype=np.float32)

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate)

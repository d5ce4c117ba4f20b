"""Turns of a speaker in live audio: when one begins, and when it is over. Pure: works on probabilities.

The detector is in one of two states, QUIET or SPEAKING. Times are milliseconds of audio since the session
began; windows last exactly `WINDOW_MS`.
"""

from dataclasses import dataclass
from typing import Final

from speechhub.codecs.cuts import MARGIN, least_like_speech
from speechhub.codecs.vad import WINDOW_S

WINDOW_MS: Final = round(WINDOW_S * 1000)
ONSET: Final = 3
"""Windows in a row that begin a turn; fewer are a click."""
HYSTERESIS: Final = 0.15
"""How far the probability must fall below the threshold before a window counts as silence. Source:
snakers4/silero-vad, `neg_threshold` of VADIterator."""
LOWEST: Final = 0.01
"""Windows below this are silence, however low the threshold is. Source: the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRules:
    """When a turn begins and ends."""

    threshold: float
    """Probability of speech from which a window counts as speech, 0 to 1."""
    prefix_ms: int
    """How much earlier than its first window of speech a turn begins; half of the longest turn at most."""
    silence_ms: int
    """Length of the silence that ends a turn."""
    longest_ms: int
    """Longest turn; at least a second."""


@dataclass(frozen=True, slots=True)
class Started:
    """A turn began at this time."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The turn that began last ended at this time."""

    at_ms: int


class TurnDetector:
    """Finds the turns in one stream of windows; they come in order and do not overlap."""

    def __init__(self, rules: TurnRules, *, now_ms: int = 0, speaking_since_ms: int | None = None) -> None:
        """Begin QUIET, or in the middle of a turn.

        Args:
            rules: When a turn begins and ends; they may be changed between two windows.
            now_ms: Where the first window begins; no turn begins before it.
            speaking_since_ms: Start of the turn that goes on, if one does.
        """
        self.rules = rules
        self._now_ms = now_ms
        self._floor_ms = now_ms
        """No turn begins before this: the end of the last one."""
        self._start_ms = speaking_since_ms
        """Start of the turn; None while QUIET."""
        self._row = 0
        """Windows of speech in a row, while QUIET."""
        self._silence_ms = 0
        """Length of the silence so far, while SPEAKING."""
        self._heard: list[float] = []
        """Probabilities of the turn's last windows; the last one ends now."""

    @property
    def speaking(self) -> bool:
        """Whether the state is SPEAKING."""
        return self._start_ms is not None

    @property
    def needed_from_ms(self) -> int:
        """Start of the audio that a turn can still hold."""
        if self._start_ms is not None:
            return self._start_ms
        return max(self._floor_ms, self._now_ms - self._row * WINDOW_MS - self.rules.prefix_ms)

    def seek(self, now_ms: int) -> None:
        """Note where the next window begins, where audio before it was not judged."""
        if now_ms > self._now_ms:
            self._now_ms, self._row = now_ms, 0

    def add(self, probability: float) -> list[Started | Stopped]:
        """Take the next window's probability of speech; return what begins and ends with it, in order."""
        self._now_ms += WINDOW_MS
        if self._start_ms is None:
            return self._listen(probability)
        self._heard.append(probability)
        is_silence = probability < max(self.rules.threshold - HYSTERESIS, LOWEST)
        self._silence_ms = self._silence_ms + WINDOW_MS if is_silence else 0
        if is_silence and self._silence_ms >= self.rules.silence_ms:
            self.end(self._now_ms)
            return [Stopped(self._now_ms)]
        found: list[Started | Stopped] = []
        while self._now_ms - self._start_ms > self.rules.longest_ms:
            place_ms = self._cut(self._start_ms)
            self._start_ms = self._floor_ms = place_ms
            found += [Stopped(place_ms), Started(place_ms)]
        return found

    def end(self, at_ms: int) -> None:
        """End the turn, or forget what came before: no turn begins before *at_ms*; the state is QUIET."""
        self._start_ms = None
        self._floor_ms = max(self._floor_ms, at_ms)
        self._row = self._silence_ms = 0
        self._heard.clear()

    def _listen(self, probability: float) -> list[Started | Stopped]:
        self._row = self._row + 1 if probability >= self.rules.threshold else 0
        if self._row < ONSET:
            return []
        first_ms = self._now_ms - self._row * WINDOW_MS
        prefix_ms = min(self.rules.prefix_ms, self.rules.longest_ms // 2)
        self._start_ms = max(self._floor_ms, first_ms - prefix_ms)
        self._row = self._silence_ms = 0
        self._heard = [probability]
        return [Started(self._start_ms)]

    def _cut(self, start_ms: int) -> int:
        """Return where to cut a turn that is too long, and forget the probabilities before that."""
        heard_ms = self._now_ms - len(self._heard) * WINDOW_MS
        late_ms = max(start_ms + self.rules.longest_ms * 2 // 3, heard_ms)
        late = -(-(late_ms - heard_ms) // WINDOW_MS)
        longest = (start_ms + self.rules.longest_ms - heard_ms) // WINDOW_MS
        place = least_like_speech(self._heard, min(late, longest), longest - MARGIN)
        del self._heard[:place]
        return heard_ms + place * WINDOW_MS

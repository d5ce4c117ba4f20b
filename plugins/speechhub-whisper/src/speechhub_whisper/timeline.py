"""Times in order: Whisper's are nearly right, but not always in order."""

from dataclasses import replace

from speechhub.engine import Segment


class Timeline:
    """Puts the segments of one recording in order, one after the other; lives as long as one request."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._now_s = 0.0

    def place(self, segment: Segment) -> Segment:
        """Return *segment* with times that neither overlap what was placed before nor leave the recording."""
        words = []
        # Whisper times words and segments by different methods; those of words, if any, are more exact.
        first_s = self._now_s = self._clamp(segment.words[0].start_s if segment.words else segment.start_s)
        for word in segment.words:
            start_s = self._clamp(word.start_s)
            self._now_s = max(start_s, self._clamp(word.end_s))
            words.append(replace(word, start_s=start_s, end_s=self._now_s))
        if not words:
            self._now_s = self._clamp(segment.end_s)
        return replace(segment, start_s=first_s, end_s=self._now_s, words=tuple(words))

    def _clamp(self, time_s: float) -> float:
        return max(self._now_s, min(round(time_s, 3), self._duration_s))

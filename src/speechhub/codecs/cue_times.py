"""Sets how long subtitle cues stay on the screen, so that each can be read.

Source: Netflix, Timed Text Style Guide: General Requirements (5/6 s to 7 s) and English (20 characters per
second for adults).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from speechhub.codecs.pieces import columns_of

MAX_DURATION_MS: Final = 7_000
MIN_DURATION_MS: Final = 833
"""Shorter cues cannot be read; they begin earlier where that is possible."""
LINGER_MS: Final = 1_000
"""A cue stays at least this long, and as long as its text takes to read, unless the next begins sooner."""
COLUMN_MS: Final = 50
"""Time to read one column."""
_SPOKEN_MS: Final = 250
"""Less than any cue takes to say. The times of a shorter one are wrong: an engine squeezed words together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """The text that is on the screen at one time."""

    start_ms: int
    """Offset from the start of the recording, in milliseconds."""
    end_ms: int
    """After `start_ms`, and never after the next cue's start."""
    lines: tuple[str, ...]
    """One or two lines, none empty, each at most `MAX_COLUMNS` wide."""


def settled(cues: Sequence[Cue], duration_ms: int) -> list[Cue]:
    """Keep short cues on the screen until they can be read.

    A cue stays until it can be read, the next one begins, or the recording ends. If it is still too short,
    it begins earlier, in the silence before it. Only if its times cannot be right does it take time from the
    cue before.

    Args:
        cues: In order, without overlap.
        duration_ms: Length of the recording, in milliseconds.
    """
    found = _lingering(cues, duration_ms)
    last = len(found) - 1
    while last >= 0:
        first = last
        if _is_short(found[last]):
            while (
                first > 0 and found[first].start_ms == found[first - 1].end_ms and _is_short(found[first - 1])
            ):
                first -= 1
            _spread(found, first, last, duration_ms)
        last = first - 1
    return found


def _lingering(cues: Sequence[Cue], duration_ms: int) -> list[Cue]:
    limits = [cue.start_ms for cue in cues[1:]] + [duration_ms]
    return [
        replace(cue, end_ms=max(cue.end_ms, min(cue.start_ms + _reading_ms(cue), limit)))
        for cue, limit in zip(cues, limits, strict=False)
    ]


def _reading_ms(cue: Cue) -> int:
    return min(MAX_DURATION_MS, max(LINGER_MS, COLUMN_MS * sum(map(columns_of, cue.lines))))


def _is_short(cue: Cue) -> bool:
    return cue.end_ms - cue.start_ms < MIN_DURATION_MS


def _touch(cue: Cue, following: Cue) -> bool:
    return cue.end_ms == following.start_ms


def _spread(cues: list[Cue], first: int, last: int, duration_ms: int) -> None:
    """Let a run of short cues begin earlier, and share the available time among them."""
    count, right = last - first + 1, cues[last].end_ms
    floor = 0
    if first > 0:
        before = cues[first - 1]
        floor = before.end_ms
        if right - cues[first].start_ms < count * _SPOKEN_MS:
            floor = min(floor, max(before.start_ms + MIN_DURATION_MS, right - count * MIN_DURATION_MS))
    if last == len(cues) - 1 and floor + count <= duration_ms:
        right = min(right, duration_ms)
    left = max(floor, right - count * MIN_DURATION_MS)
    if left >= cues[first].start_ms:
        return
    if first > 0 and left < cues[first - 1].end_ms:
        cues[first - 1] = replace(cues[first - 1], end_ms=left)
    edges = [left + (right - left) * number // count for number in range(count + 1)]
    for index, (start_ms, end_ms) in enumerate(pairwise(edges), first):
        cues[index] = replace(cues[index], start_ms=start_ms, end_ms=end_ms)

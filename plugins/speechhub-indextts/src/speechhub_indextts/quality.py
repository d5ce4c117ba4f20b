"""Quality of a segment: the models sometimes turn a clause into silence, or stammer."""

import re
import unicodedata
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME_S: Final = 0.02
FLOOR: Final = 10 ** (-55 / 20)
"""Level below which a frame is silent in any case."""
RELATIVE: Final = 10 ** (-34 / 20)
"""Level of silent frames, as a fraction of the level of speech: a voice's own noise is silence too."""
LONGEST_SILENCE_S: Final = 1.5
"""Longest natural pause in a sentence, in seconds."""
FASTEST_S, SLOWEST_S = 0.06, 0.6
"""Shortest and longest time of a Chinese character, or of three letters; people take 0.2 to 0.3."""
LEEWAY_S: Final = 1.0
"""Extra time beyond the longest: silence at both ends, and pauses at commas."""
KEPT_SILENCE_S: Final = 0.4
"""Length to which a too long silence is cut, in seconds."""
EDGE_S: Final = 0.3
"""Longest silence at the beginning and at the end of a segment."""
KEPT_EDGE_S: Final = 0.1
"""Length to which a longer one is cut, in seconds."""
_TOKEN: Final = re.compile(r"<\|[^|>]*\|>")
"""Marks that IndexTTS-2.5 puts around a pronunciation."""


def fault_s(samples: NDArray[np.float32], text: str, *, sample_rate: int, speed: float = 1.0) -> float:
    """Return how far the speech of a text is from plausible lengths, in seconds; 0 is plausible.

    Args:
        samples: float32, shape (n,), in [-1, 1].
        text: The text that is spoken.
        sample_rate: Of the samples, in hertz.
        speed: How much faster than usual it is meant to be.
    """
    silence_s = max((stop - start for start, stop in silences(samples, sample_rate)), default=0) * FRAME_S
    lasts_s, characters = len(samples) / sample_rate * speed, _characters(text)
    return (
        max(0.0, silence_s * speed - LONGEST_SILENCE_S)
        + max(0.0, FASTEST_S * characters - lasts_s)
        + max(0.0, lasts_s - SLOWEST_S * characters - LEEWAY_S)
    )


def with_short_silences(
    samples: NDArray[np.float32], sample_rate: int, *, longest_s: float
) -> NDArray[np.float32]:
    """Return speech without silences longer than *longest_s*, or longer than `EDGE_S` at its ends.

    Longer ones are cut to `KEPT_SILENCE_S`, half of it at each side, so that no sound is lost.
    """
    frame = _frame(sample_rate)
    parts, place, count = [], 0, len(samples) // frame
    for start, stop in silences(samples, sample_rate):
        if start == 0 and stop == count:
            return samples  # only silence: there is no speech to join
        at_edge = start == 0 or stop == count
        lasts_s = (stop - start) * FRAME_S
        if lasts_s <= (min(EDGE_S, longest_s) if at_edge else longest_s):
            continue
        kept = round((KEPT_EDGE_S if at_edge else min(KEPT_SILENCE_S, longest_s)) / FRAME_S) * frame
        before = 0 if start == 0 else kept if stop == count else kept // 2
        parts.append(samples[place : start * frame + before])
        place = (len(samples) if stop == count else stop * frame) - (kept - before)
    return np.concatenate([*parts, samples[place:]]) if parts else samples


def silences(samples: NDArray[np.float32], sample_rate: int) -> list[tuple[int, int]]:
    """Return silent stretches as (first frame, first frame after it); a frame lasts `FRAME_S`."""
    frame = _frame(sample_rate)
    count = len(samples) // frame
    if not count:
        return []
    frames = samples[: count * frame].reshape(count, frame).astype(np.float64)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    silent = levels < max(FLOOR, RELATIVE * float(np.percentile(levels, 95)))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _frame(sample_rate: int) -> int:
    return round(FRAME_S * sample_rate)


def _characters(text: str) -> float:
    """Return how many Chinese characters take as long to say as *text* does."""
    text = _TOKEN.sub("", text)
    wide = sum(unicodedata.east_asian_width(one) in "WF" and one.isalnum() for one in text)
    return wide + sum(one.isalnum() and unicodedata.east_asian_width(one) not in "WF" for one in text) / 3

"""Clips: stretches of a recording, cut at silences, that fit into one window of Whisper."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
CLIP_S = 29.0
"""Longest clip, in seconds: a little less than Whisper's window of 30 s, which it must not exceed."""
BLOCK_S = 300
"""How much is searched for speech at once, in seconds: results come early, and memory stays small."""
MIN_SILENCE_MS = 160
"""Shortest silence to cut at. Source: faster_whisper's BatchedInferencePipeline."""
PAD_MS = 200
"""Kept around speech, so that soft beginnings and ends are not lost."""
BREATH_S = 0.1
"""Shortest silence between two stretches with their `PAD_MS`, in seconds, at which a language may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A stretch of the recording with speech in it."""

    start_s: float
    """Offset from the start of the recording, in seconds."""
    end_s: float
    """Offset from the start of the recording, in seconds."""
    speech: tuple[tuple[float, float], ...] = ()
    """Starts and ends of the speech in the clip, in seconds of the recording; empty if no detector ran."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    @property
    def spoken_s(self) -> float:
        """Length of the speech in it, in seconds; the whole clip if no detector ran."""
        return sum(end_s - start_s for start_s, end_s in self.speech) or self.duration_s

    def parts(self) -> "list[Clip]":
        """Return the clip cut at its pauses of half a second and more; whole if it has none."""
        parts: list[list[tuple[float, float]]] = []
        for start_s, end_s in self.speech:
            if parts and start_s - parts[-1][-1][1] < BREATH_S:
                parts[-1].append((start_s, end_s))
            else:
                parts.append([(start_s, end_s)])
        return [Clip(start_s=part[0][0], end_s=part[-1][1], speech=tuple(part)) for part in parts] or [self]

    def with_next(self, clip: "Clip") -> "Clip":
        """Return this clip and the next one as one."""
        return Clip(start_s=self.start_s, end_s=clip.end_s, speech=self.speech + clip.speech)

    def snap(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Return a word's times without the silence before or after it.

        Whisper lets the first word after a pause begin, and the last one before it end, anywhere inside.
        """
        for (_, before_s), (after_s, _) in pairwise(self.speech):
            if before_s < start_s < after_s < end_s:
                start_s = after_s
            if start_s < before_s < end_s < after_s:
                end_s = before_s
        return start_s, end_s


def cut(samples: NDArray[np.float32], clip: Clip) -> NDArray[np.float32]:
    """Return the samples of *clip*; they share memory with *samples*."""
    return samples[round(clip.start_s * SAMPLE_RATE) : round(clip.end_s * SAMPLE_RATE)]


def find_clips(samples: NDArray[np.float32], threshold: float) -> Iterator[Clip]:
    """Yield the clips with speech, in order and none longer than `CLIP_S`; nothing if there is no speech.

    Args:
        samples: float32, shape (n_samples,), 16 kHz, range [-1, 1].
        threshold: Probability, 0 to 1, from which on a sound counts as speech.
    """
    options = VadOptions(
        threshold=threshold,
        min_silence_duration_ms=MIN_SILENCE_MS,
        speech_pad_ms=PAD_MS,
        max_speech_duration_s=CLIP_S,
    )
    position, block = 0, BLOCK_S * SAMPLE_RATE
    while position < len(samples):
        is_last = position + block >= len(samples)
        spans = get_speech_timestamps(samples[position : position + block], options)
        groups = _group([(position + span["start"], position + span["end"]) for span in spans])
        if is_last:
            position = len(samples)
        elif len(groups) > 1:
            # The last clip may be cut by the end of the block: it opens the next one instead.
            position = groups.pop()[0][0]
        else:
            position += block - SAMPLE_RATE
        for group in groups:
            speech = tuple((start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in group)
            yield Clip(start_s=speech[0][0], end_s=speech[-1][1], speech=speech)


def _group(spans: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Group the spans that fit into one clip together."""
    groups: list[list[tuple[int, int]]] = []
    for start, end in spans:
        if groups and end - groups[-1][0][0] <= CLIP_S * SAMPLE_RATE:
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
    return groups

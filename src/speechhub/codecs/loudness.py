"""Amplifies speech in recordings that are too quiet for detectors and engines; leaves others unchanged."""

from collections.abc import Generator
from contextlib import closing
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.vad import WINDOW_S, VoiceDetector

Samples = NDArray[np.float32]

LEAST_DBFS: Final = -40.0
"""Level to which quiet speech is raised. Detectors and engines hear speech at this level as well as louder
speech; when it is about 20 dB quieter, they lose words."""
MIN_GAIN_DB: Final = 3.0
"""Speech that needs less gain than this is left unchanged."""
MAX_GAIN_DB: Final = 40.0
"""Enough for speech at -80 dBFS, for which two of the 16 bits are left."""
SPEECH: Final = 0.5
"""Lowest probability at which a window counts as speech. Higher than where recordings are cut: noise that is
taken for speech would become loud."""
MIN_SPEECH: Final = 5
"""Fewest windows of speech for which a block is raised."""
SPEECH_SHARE: Final = 0.15
"""Least share of speech among the windows that are about as loud. The detector takes the first of a row of
beeps for speech."""
CELL_S: Final = 1.0
"""Length, in seconds, of the pieces that count as quiet or not."""
QUIET_CELLS: Final = 3
"""This many quiet cells in a row, or a whole block, may be speech that is too quiet; fewer are a pause."""
LOUD_SHARE: Final = 0.2
"""A cell is not quiet if more than this part of it exceeds `LEAST_DBFS`. Clicks and knocks are shorter."""
LEVEL_AT: Final = 0.7
"""Quantile of the speech windows' power that counts as the level of the speech."""
FRAME_S: Final = 0.01
"""Length, in seconds, of the frames for which the limiter computes one gain each."""
RAMP_S: Final = 0.2
"""How long the change from one gain to the next takes, in seconds."""
PEAK: Final = 0.9
"""Raised sound stays below this; a knock between quiet words is not raised with them."""
LOUDEST_OFFSET: Final = 0.1
"""A raised offset (DC) that would exceed this is removed: it would leave no room for the speech."""
STEP: Final = 31
"""One sample in this many is examined to see whether a recording may be quiet."""
LOUD_SAMPLES: Final = 0.08
"""Part of the samples above the level in a cell of which a fifth is louder than the level."""
FAINT_PCM16: Final = 8
"""Sound with a smaller range from trough to peak holds no words."""


class Raiser:
    """Raises one recording, block by block; used by one thread at a time.

    Args:
        sample_rate: rate of the blocks, in hertz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._ramp = max(1, round(RAMP_S * sample_rate))
        self._gain = 1.0
        """Gain at the end of the last block."""

    def process(self, block: Samples) -> Samples:
        """Return the block, raised where its speech is quiet; the same object if nothing is raised.

        Args:
            block: float32, shape (n_samples,), range [-1, 1].
        """
        before = self._gain
        gains = [(first, end, self._gain_for(block[first:end])) for first, end in self._quiet(block)]
        gains = [(first, end, gain) for first, end, gain in gains if gain > 1]
        self._gain = gains[-1][2] if gains and gains[-1][1] == len(block) else 1.0
        if not gains and before == 1.0:
            return block
        curve = self._curve(len(block), before, gains)
        offset = block.mean()
        if abs(offset) * curve.max() < LOUDEST_OFFSET:
            offset = np.float32(0.0)
        raised = (block - offset) * curve + offset / curve
        raised *= _limit(raised, max(1, round(FRAME_S * self._sample_rate)))
        return np.where(curve > 1, raised, block)

    def _quiet(self, block: Samples) -> list[tuple[int, int]]:
        """Return the stretches without loud sound, as first sample and end."""
        levels = _levels(block, round(WINDOW_S * self._sample_rate))
        window, cell = round(WINDOW_S * self._sample_rate), round(CELL_S / WINDOW_S)
        cells = -(-len(levels) // cell)
        loud = np.zeros(cells * cell, np.bool_)
        loud[: len(levels)] = levels > 10 ** (LEAST_DBFS / 10)
        quiet = loud.reshape(cells, cell).mean(axis=1) <= LOUD_SHARE
        edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
        runs = [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
        length = cell * window
        return [
            (first * length, len(block) if end == cells else end * length)
            for first, end in runs
            if end - first >= QUIET_CELLS or end - first == cells
        ]

    def _curve(self, length: int, before: float, gains: list[tuple[int, int, float]]) -> Samples:
        """Return the factor for each sample; ramps lie in the quiet parts."""
        curve = np.ones(length, np.float32)
        for first, end, gain in gains:
            part = end - first
            up = np.minimum(np.arange(part) / self._ramp, 1.0)
            down = np.minimum(np.arange(part, 0, -1) / self._ramp, 1.0) if end < length else 1.0
            curve[first:end] = 1 + (gain - 1) * np.minimum(up, down)
        fade = np.arange(min(length, self._ramp)) / self._ramp
        curve[: len(fade)] = before * (1 - fade) + (gains[0][2] if gains and not gains[0][0] else 1.0) * fade
        return curve

    def _gain_for(self, block: Samples) -> float:
        """Return the gain for a quiet part, as a factor of 1 or more."""
        levels = _levels(block, round(WINDOW_S * self._sample_rate))
        least = 10 ** (LEAST_DBFS / 10)
        if not levels.any():
            return 1.0
        # The detector misses some speech that is this quiet, so it gets the part with an estimated gain.
        loudest = float(np.quantile(levels, 1 - LOUD_SHARE / 4))
        guess = min(10 ** (MAX_GAIN_DB / 20), max(1.0, (least / max(loudest, 1e-12)) ** 0.5))
        detector = VoiceDetector(self._sample_rate)
        heard = detector.process(np.clip((block - block.mean()) * np.float32(guess), -1.0, 1.0))
        spoken = levels[: len(heard)][heard[: len(levels)] >= SPEECH]
        if len(spoken) < MIN_SPEECH:
            return 1.0
        level = max(float(np.quantile(spoken, LEVEL_AT)), 1e-12)
        if len(spoken) < SPEECH_SHARE * np.count_nonzero(levels > level / 10):
            return 1.0
        lacking_db = LEAST_DBFS - 10 * float(np.log10(level))
        return 1.0 if lacking_db < MIN_GAIN_DB else 10 ** (min(lacking_db, MAX_GAIN_DB) / 20)


def raised(blocks: Generator[Samples], sample_rate: int) -> Generator[Samples]:
    """Yield the blocks of a recording, raised where their speech is quiet; closing it closes *blocks*."""
    with closing(blocks):
        # A variable would keep the last block, two megabytes, for as long as the recording is read.
        yield from map(Raiser(sample_rate).process, blocks)


def may_be_quiet(pcm16: NDArray[np.int16], sample_rate: int) -> bool:
    """Return whether a recording may be quiet enough to examine in a thread; takes 0.1 ms for 30 s.

    Args:
        pcm16: int16, shape (n_samples,).
        sample_rate: rate of the samples, in hertz.
    """
    some = pcm16[::STEP]
    cell = max(1, min(len(some), round(CELL_S * sample_rate / STEP)))
    cells = some[: len(some) // cell * cell].reshape(-1, cell)
    cells = cells - cells.mean(axis=1, keepdims=True, dtype=np.float32)  # an offset is not loudness
    level = round(32768 * 10 ** (LEAST_DBFS / 20))
    loud = np.count_nonzero((cells > level) | (cells < -level), axis=1)
    quiet = (loud <= LOUD_SAMPLES * cell) & (np.ptp(cells, axis=1) > FAINT_PCM16)
    most = min(QUIET_CELLS, len(cells))
    return bool(most and np.convolve(quiet, np.ones(most, np.int8)).max() >= most)


def _levels(samples: Samples, length: int) -> Samples:
    """Return the power of each whole window of *length* samples, without its offset."""
    windows = samples[: len(samples) // length * length].reshape(-1, length)
    power: Samples = np.einsum("ij,ij->i", windows, windows) / length - np.square(windows.mean(axis=1))
    return np.maximum(power, 0)


def _limit(samples: Samples, length: int) -> Samples:
    """Return a smooth gain of at most 1 that keeps samples below `PEAK`."""
    frames = -(-len(samples) // length)
    padded = np.zeros(frames * length, np.float32)
    np.abs(samples, out=padded[: len(samples)])
    peaks = padded.reshape(frames, length).max(axis=1)
    allowed = np.minimum(1.0, PEAK / np.maximum(peaks, PEAK))
    # Between the middles of two frames the gain is interpolated: neither may exceed what the other allows.
    wide = np.concatenate([allowed[:1], allowed, allowed[-1:]])
    least = np.minimum(np.minimum(wide[:-2], wide[1:-1]), wide[2:])
    middles = (np.arange(frames) + 0.5) * length
    gains: Samples = np.interp(np.arange(len(samples)), middles, least).astype(np.float32)
    return gains

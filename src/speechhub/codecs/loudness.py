"""Raises the speech of recordings that are too quiet to be heard well; all others stay as they are."""

from collections.abc import Generator
from contextlib import closing
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.vad import WINDOW_S, VoiceDetector

Samples = NDArray[np.float32]

LEAST_DBFS: Final = -40.0
"""What quiet speech is brought up to. Detectors and engines hear it as well as what is louder; from some
20 dB less on, they lose words."""
MIN_GAIN_DB: Final = 3.0
"""Speech that lacks less is left alone."""
MAX_GAIN_DB: Final = 40.0
"""For speech at -80 dBFS, of which 16 bits hold two."""
SPEECH: Final = 0.5
"""Probability from which on a window counts as speech. Surer than where recordings are cut: noise that is
taken for speech would become loud."""
MIN_SPEECH: Final = 5
"""So many windows of it make a block worth raising."""
SPEECH_SHARE: Final = 0.15
"""Of what is about as loud as the speech. The detector takes the first of a row of beeps for speech."""
CELL_S: Final = 1.0
"""What is quiet or not, in seconds."""
QUIET_CELLS: Final = 3
"""So many in a row, or a whole block, may hold speech that is too quiet; fewer are a pause."""
LOUD_SHARE: Final = 0.2
"""Of a cell: where so much is louder than `LEAST_DBFS`, it is not quiet. Clicks and knocks are less."""
LEVEL_AT: Final = 0.7
"""Part of the windows of speech that are quieter than what counts as its level."""
FRAME_S: Final = 0.01
"""The gain is the same for so long, in seconds, but for the way to the next."""
RAMP_S: Final = 0.2
"""How long it takes to get from one gain to the next, in seconds."""
PEAK: Final = 0.9
"""What is raised stays below; a knock between quiet words is not raised with them."""
LOUDEST_OFFSET: Final = 0.1
"""What is raised does without its offset if that would become louder: it would leave no room for speech."""
STEP: Final = 31
"""One sample of so many tells whether a recording may be quiet."""
LOUD_SAMPLES: Final = 0.08
"""Part of the samples that are above the level, where a fifth of a cell is louder than it."""
FAINT_PCM16: Final = 8
"""From trough to peak: what is less holds no words."""


class Raiser:
    """Raises one recording, block by block; used by one thread at a time.

    Args:
        sample_rate: of the blocks, in hertz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._ramp = max(1, round(RAMP_S * sample_rate))
        self._gain = 1.0
        """At the end of the last block."""

    def process(self, block: Samples) -> Samples:
        """Return the block, raised where its speech is quiet; the same object if that is nowhere.

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
        """Return where nothing is loud for a while, as first sample and end."""
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
        """Return what each sample is multiplied with: ramps lie where it is quiet."""
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
        """Return what a quiet part is to be multiplied with; 1 and more."""
        levels = _levels(block, round(WINDOW_S * self._sample_rate))
        least = 10 ** (LEAST_DBFS / 10)
        if not levels.any():
            return 1.0
        # The detector hears what would be heard: it misses some of what is as quiet as that.
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
    """Yield the blocks of a recording, raised where their speech is quiet; *blocks* is closed with it."""
    with closing(blocks):
        # No variable: it would keep the last block, two megabytes, for as long as the recording is read.
        yield from map(Raiser(sample_rate).process, blocks)


def may_be_quiet(pcm16: NDArray[np.int16], sample_rate: int) -> bool:
    """Return whether a look in a thread is worth it; takes a tenth of a millisecond for 30 s.

    Args:
        pcm16: int16, shape (n_samples,).
        sample_rate: of them, in hertz.
    """
    some = pcm16[::STEP]
    cell = max(1, min(len(some), round(CELL_S * sample_rate / STEP)))
    cells = some[: len(some) // cell * cell].reshape(-1, cell)
    cells = cells - cells.mean(axis=1, keepdims=True, dtype=np.float32)  # an offset is no loudness
    level = round(32768 * 10 ** (LEAST_DBFS / 20))
    loud = np.count_nonzero((cells > level) | (cells < -level), axis=1)
    quiet = (loud <= LOUD_SAMPLES * cell) & (np.ptp(cells, axis=1) > FAINT_PCM16)
    most = min(QUIET_CELLS, len(cells))
    return bool(most and np.convolve(quiet, np.ones(most, np.int8)).max() >= most)


def _levels(samples: Samples, length: int) -> Samples:
    """Return the power of each whole window of so many samples, without its offset."""
    windows = samples[: len(samples) // length * length].reshape(-1, length)
    power: Samples = np.einsum("ij,ij->i", windows, windows) / length - np.square(windows.mean(axis=1))
    return np.maximum(power, 0)


def _limit(samples: Samples, length: int) -> Samples:
    """Return a smooth gain, 1 and less, that keeps samples below `PEAK`."""
    frames = -(-len(samples) // length)
    padded = np.zeros(frames * length, np.float32)
    np.abs(samples, out=padded[: len(samples)])
    peaks = padded.reshape(frames, length).max(axis=1)
    allowed = np.minimum(1.0, PEAK / np.maximum(peaks, PEAK))
    # Between the middles of two frames the gain is between theirs: neither may exceed what the other allows.
    wide = np.concatenate([allowed[:1], allowed, allowed[-1:]])
    least = np.minimum(np.minimum(wide[:-2], wide[1:-1]), wide[2:])
    middles = (np.arange(frames) + 0.5) * length
    gains: Samples = np.interp(np.arange(len(samples)), middles, least).astype(np.float32)
    return gains

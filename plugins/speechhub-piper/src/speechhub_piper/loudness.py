"""Loudness: one level for all speech of a voice, and no sample beyond full scale.

Piper itself raises every sentence to the same peak, which makes a short "Yes." as loud as a shout, and leaves
no headroom for lossy codecs.
"""

import numpy as np
from numpy.typing import NDArray

MAX_GAIN = 4.0
"""Largest gain for a quiet voice: 12 dB."""
KNEE = 0.8
"""Level above which peaks are rounded off."""
MIN_SPEECH_LEVEL = 0.01
"""Samples below this are silence and do not count for the level."""


class Loudness:
    """Gains of a model's speakers; lives as long as the model.

    A speaker's gain is computed from the first sentence and then kept, since changes would be audible.
    """

    def __init__(self, target_db: float | None) -> None:
        self._target = None if target_db is None else 10.0 ** (target_db / 20)
        self._gains: dict[int | None, float] = {}

    def level(self, samples: NDArray[np.float32], speaker: int | None) -> NDArray[np.float32]:
        """Return *samples* (float32, mono, any range) at the speaker's level, within [-1, 1]."""
        gain = 1.0
        if self._target is not None:
            if speaker not in self._gains:
                self._gains[speaker] = _gain(samples, self._target)
            gain = self._gains[speaker]
        return _limit(samples * np.float32(gain))


def _gain(samples: NDArray[np.float32], target: float) -> float:
    speech = samples[np.abs(samples) > MIN_SPEECH_LEVEL]
    if not len(speech):
        return 1.0
    return float(min(MAX_GAIN, target / np.sqrt(np.mean(np.square(speech)))))


def _limit(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compress peaks above the knee, so that they approach full scale and never exceed it."""
    peaks = np.abs(samples) > KNEE
    if not peaks.any():
        return samples
    room = 1.0 - KNEE
    limited = samples.copy()
    loud = samples[peaks]
    limited[peaks] = np.sign(loud) * (KNEE + room * np.tanh((np.abs(loud) - KNEE) / room))
    return limited

"""The part of a clip that contains sound. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME_S: Final = 0.02
QUIETEST: Final = 0.0005
"""Root mean square of a frame, full scale being 1, below which there is no speech: -66 dBFS."""
BELOW_LOUDEST: Final = 0.01
"""Fraction of the loudest frame below which there is no speech either: -40 dB."""


def find_sound(samples: NDArray[np.float32], sample_rate: int) -> tuple[float, float] | None:
    """Return where sound begins and ends, in seconds; None if there is none.

    Args:
        samples: float32, shape (n_samples,), range [-1, 1].
        sample_rate: in hertz.
    """
    size = round(FRAME_S * sample_rate)
    padded = np.pad(samples.astype(np.float32), (0, -len(samples) % size))
    loudness = np.sqrt(np.mean(padded.reshape(-1, size) ** 2, axis=1))
    loudest = float(loudness.max(initial=0.0))
    if loudest < QUIETEST:
        return None
    loud = np.flatnonzero(loudness >= max(QUIETEST, BELOW_LOUDEST * loudest))
    return float(loud[0]) * FRAME_S, min(float(loud[-1] + 1) * FRAME_S, len(samples) / sample_rate)

"""The ends of segments of speech, so that they join without a click."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FADE_MS: Final = 5
"""Length of a fade, in milliseconds: long enough to avoid a click, too short to hear."""


def faded(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Return the samples faded at both ends, since the vocoder's first and last ones may have any value."""
    length = min(sample_rate * FADE_MS // 1000, len(samples) // 2)
    ramp = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, length))).astype(np.float32)
    result = samples.copy()
    result[:length] *= ramp
    result[len(result) - length :] *= ramp[::-1]
    return result


def after_pause(samples: NDArray[np.float32], pause_ms: int, sample_rate: int) -> NDArray[np.float32]:
    """Return the samples with a silence before them."""
    return np.concatenate([np.zeros(sample_rate * pause_ms // 1000, np.float32), samples])

"""Audio as the inside of speechhub knows it: mono float32 samples and their rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """A stretch of mono audio. Treat the samples as read-only."""

    samples: NDArray[np.float32]
    """float32, shape (n_samples,), range [-1, 1]."""
    sample_rate: int
    """In hertz."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def slice_s(self, start_s: float, end_s: float) -> "Audio":
        """Return the part from *start_s* to *end_s*, both in seconds; shares memory with this audio."""
        first, last = round(start_s * self.sample_rate), round(end_s * self.sample_rate)
        return Audio(samples=self.samples[first:last], sample_rate=self.sample_rate)

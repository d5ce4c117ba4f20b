"""Audio inside speechhub: mono float32 samples and their sample rate."""

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


class Pcm16Audio(Audio):
    """Audio of a 16-bit recording, kept as such: half the size on its way through the hub and to a worker.

    It reads like any other audio; an engine gets it as float32.
    """

    __slots__ = ("pcm16",)

    pcm16: NDArray[np.int16]
    """int16, shape (n_samples,)."""

    def __init__(self, *, pcm16: NDArray[np.int16], sample_rate: int) -> None:
        object.__setattr__(self, "pcm16", pcm16)  # the class is frozen
        object.__setattr__(self, "sample_rate", sample_rate)

    @property
    def samples(self) -> NDArray[np.float32]:
        """float32, shape (n_samples,), range [-1, 1); converted on each access."""
        return from_pcm16(self.pcm16)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pcm16) / self.sample_rate


def from_pcm16(pcm16: NDArray[np.int16]) -> NDArray[np.float32]:
    """Convert int16 of shape (n,) to float32 of the same shape, range [-1, 1), without loss."""
    return np.multiply(pcm16, np.float32(1 / 32768))

"""Tape of audio: blocks in order, of which the oldest are forgotten; appending copies nothing."""

from collections import deque
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", np.float32, np.int16)
"""Type of a sample."""


class Tape(Generic[S]):
    """The part of a recording that is still needed; positions are samples since its start."""

    def __init__(self) -> None:
        self._blocks: deque[NDArray[S]] = deque()
        self.start = 0
        """Position of the first sample that is kept."""
        self.end = 0
        """Length of the recording so far, in samples."""

    def append(self, block: NDArray[S]) -> None:
        """Add the samples that follow; they are kept as they are, and so is what they are a view of."""
        self._blocks.append(block)
        self.end += len(block)

    def blocks(self) -> list[NDArray[S]]:
        """Return the blocks that are kept."""
        return list(self._blocks)

    def parts(self, first: int, end: int) -> list[NDArray[S]]:
        """Return views of the samples from *first* to *end*, block by block; as far as they are kept."""
        parts, start = [], self.start
        for block in self._blocks:
            part = block[max(0, first - start) : max(0, end - start)]
            if len(part):
                parts.append(part)
            start += len(block)
        return parts

    def cut(self, first: int, end: int) -> NDArray[S]:
        """Return a copy of the samples from *first* to *end*; without copying if that is one whole block."""
        parts = self.parts(first, end)
        if len(parts) == 1 and len(parts[0]) < self.end:
            return parts[0].copy()  # a view would keep the whole block alive
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def forget(self, before: int) -> None:
        """Drop the blocks that end by *before*."""
        while self._blocks and self.start + len(self._blocks[0]) <= before:
            self.start += len(self._blocks.popleft())

"""Divides recordings into passages: the parts that an engine transcribes at once."""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.cuts import Cutter, Stretch
from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.tape import Tape
from speechhub.codecs.vad import SAMPLE_RATE, WINDOW_SAMPLES, VoiceDetector
from speechhub.domain.audio import Audio
from speechhub.errors import RequestCancelledError

Samples = NDArray[np.float32]


LONG_GAP_S: Final = 30.0
"""Length of a gap, in seconds, that is not passed to engines: some hear words where nothing was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """A part of a recording, with speech in it."""

    audio: Audio
    start_s: float
    """Offset from the start of the recording, in seconds."""


class PassageReader:
    """Reads one recording passage by passage; used by one thread at a time, any one.

    A recording that is short enough and has no long gap is one passage, unchanged. Any other is cut in its
    silences, and the silences between passages are left out. At most one passage and two blocks are in
    memory.

    Args:
        blocks: the recording, as `decode_blocks` yields it.
        sample_rate: rate of the blocks, in hertz.
        longest_s: longest passage, in seconds; at least one.
        cancelled: asked before each block; reading stops when it says yes. The source of the blocks asks it
            too late: it has yielded several before the first is judged.
        damage: what the source of the blocks notes about gaps.
    """

    def __init__(
        self,
        blocks: Generator[Samples],
        *,
        sample_rate: int,
        longest_s: float,
        cancelled: Callable[[], bool] = lambda: False,
        damage: AudioDamage | None = None,
    ) -> None:
        self._blocks = blocks
        self._damage = damage or AudioDamage()
        self._cancelled = cancelled
        self._sample_rate = sample_rate
        self._limit = int(longest_s * sample_rate)
        self._cutter = Cutter(self._limit * SAMPLE_RATE // (WINDOW_SAMPLES * sample_rate))
        self._tape = Tape[np.float32]()
        self._passages = self._read()
        self.ended = False
        """Whether it is certain that no passage follows."""
        self.uncut = False
        """Whether the recording is one unchanged passage, which no voice detector has judged."""

    @property
    def duration_s(self) -> float:
        """Length read so far, in seconds; at the end, the length of the recording."""
        return self._tape.end / self._sample_rate

    def read(self, most: int, most_s: float, turn_s: float = math.inf) -> list[Passage]:
        """Return the next passages; none if *turn_s* was read before one was found.

        Args:
            most: How many to return at most.
            most_s: Total length of passages, in seconds, after which no more are returned.
            turn_s: How much of the recording to read, in seconds; a block more at most.

        Raises:
            AudioError, RequestCancelledError: As `decode_blocks` does.
        """
        passages: list[Passage] = []
        turn_ends_s = self.duration_s + turn_s
        while len(passages) < most and sum(passage.audio.duration_s for passage in passages) < most_s:
            try:
                found = next(self._passages)
            except StopIteration:
                self.ended = True
                break
            if found is not None:
                passages.append(found)
            elif self.duration_s >= turn_ends_s:
                break
        return passages

    def close(self) -> None:
        """Stop reading, and release the recording."""
        self._passages.close()
        self._blocks.close()
        self._tape.forget(self._tape.end)

    def _read(self) -> Generator[Passage | None]:
        """Yield the passages, and None after each block, when reading may pause."""
        if (yield from self._is_short()):
            self.ended = self.uncut = True
            audio = Audio(samples=self._tape.cut(0, self._tape.end), sample_rate=self._sample_rate)
            self._tape.forget(self._tape.end)
            yield Passage(audio=audio, start_s=0.0)
            return
        detector = VoiceDetector(self._sample_rate)
        for block in self._all_blocks():
            if self._cancelled():
                raise RequestCancelledError("The client left while its audio was being read.")
            for probability in detector.process(block).tolist():
                yield from map(self._passage, self._cutter.add(probability))
            self._tape.forget(self._sample(self._cutter.needed_from))
            yield None
        for probability in detector.finish().tolist():
            yield from map(self._passage, self._cutter.add(probability))
        yield from map(self._passage, self._cutter.finish())
        self.ended = True

    def _is_short(self) -> Generator[None, None, bool]:
        """Read up to the limit; return whether the recording ends before it and has no long gap."""
        for block in self._blocks:
            self._tape.append(block)
            if self._tape.end > self._limit or self._damage.longest_gap_s >= LONG_GAP_S:
                return False
            yield None
        return self._damage.longest_gap_s < LONG_GAP_S

    def _all_blocks(self) -> Iterator[Samples]:
        yield from self._tape.blocks()
        for block in self._blocks:
            self._tape.append(block)
            yield block

    def _passage(self, stretch: Stretch) -> Passage:
        first = self._sample(stretch.first)
        end = min(self._sample(stretch.end), self._tape.end)
        audio = Audio(samples=self._tape.cut(first, end), sample_rate=self._sample_rate)
        return Passage(audio=audio, start_s=first / self._sample_rate)

    def _sample(self, window: int) -> int:
        return window * WINDOW_SAMPLES * self._sample_rate // SAMPLE_RATE

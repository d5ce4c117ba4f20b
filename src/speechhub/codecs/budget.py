"""Limits on the work of reading one recording.

A file is small, and what it makes a decoder do need not be: millions of empty chunks, noise in which a
decoder looks for frames, frames of a few samples, streams without any. Time is measured as CPU time of the
thread, so that a busy machine refuses nothing, and counts against the audio that came out, so that a long
recording may take long.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from speechhub.errors import AudioTooCostlyError

PartT = TypeVar("PartT")

START_S: Final = 5.0
"""CPU time for everything up to the first audio, and for what never becomes any. Honest files need 0.1 s."""
PER_AUDIO_S: Final = 0.1
"""CPU time for each second of audio. MP3, AAC, Opus and FLAC need 0.002 to 0.01 s where this was measured: a
machine may be ten times as slow."""


class Budget:
    """The CPU time of one decoding, whichever threads do it, one after the other."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        """Begin to measure in this thread."""
        self._clock = clock
        self._since = clock()
        self._spent_s = 0.0
        self.audio_s = 0.0
        """How much audio came out so far, in seconds; the decoder says so."""

    def pause(self) -> None:
        """Stop to measure: what follows is not the decoder's, or another thread's."""
        self._spent_s += self._clock() - self._since

    def resume(self) -> None:
        """Measure on, in this thread."""
        self._since = self._clock()

    def apart(self, parts: Iterable[PartT]) -> Iterator[PartT]:
        """Yield the parts; what is done with them does not count, and may be done in another thread."""
        for part in parts:
            self.pause()
            yield part
            self.resume()

    @property
    def is_spent(self) -> bool:
        """Whether it took longer than it may."""
        spent_s = self._spent_s + self._clock() - self._since
        return spent_s > START_S + PER_AUDIO_S * self.audio_s

    def check(self) -> None:
        """Raise if it took longer than it may.

        Raises:
            AudioTooCostlyError: It did.
        """
        if self.is_spent:
            raise AudioTooCostlyError

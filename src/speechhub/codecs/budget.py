"""Limits on the work of reading one recording.

A small file can make a decoder work for a long time: millions of empty chunks, noise in which a decoder
looks for frames, frames of a few samples, streams without any. The limit is CPU time of the thread, so that
a busy machine refuses nothing, and it grows with the audio that came out, so that a long recording may take
long.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from speechhub.errors import AudioTooCostlyError

PartT = TypeVar("PartT")

START_S: Final = 5.0
"""CPU time, in seconds, for everything up to the first audio and for data that never becomes audio. Honest
files need 0.1 s."""
PER_AUDIO_S: Final = 0.1
"""CPU time, in seconds, for each second of audio. MP3, AAC, Opus and FLAC need 0.002 to 0.01 s where this was
measured: a machine may be ten times slower."""


class Budget:
    """The CPU time of decoding one recording; several threads may do it, one after the other."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        """Start measuring in this thread."""
        self._clock = clock
        self._since = clock()
        self._spent_s = 0.0
        self.audio_s = 0.0
        """How much audio came out so far, in seconds; the decoder sets it."""

    def pause(self) -> None:
        """Stop measuring: the decoder is not working, or goes on in another thread."""
        self._spent_s += self._clock() - self._since

    def resume(self) -> None:
        """Continue measuring, in this thread."""
        self._since = self._clock()

    def apart(self, parts: Iterable[PartT]) -> Iterator[PartT]:
        """Yield the parts; the time spent on using them does not count, and may be another thread's."""
        for part in parts:
            self.pause()
            yield part
            self.resume()

    @property
    def is_spent(self) -> bool:
        """Whether decoding took more CPU time than allowed."""
        spent_s = self._spent_s + self._clock() - self._since
        return spent_s > START_S + PER_AUDIO_S * self.audio_s

    def check(self) -> None:
        """Raise if decoding took more CPU time than allowed.

        Raises:
            AudioTooCostlyError: It did.
        """
        if self.is_spent:
            raise AudioTooCostlyError

"""Speech buffer of a session: the audio that is still needed, and where in it there is speech."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.tape import Tape
from speechhub.codecs.turns import WINDOW_MS
from speechhub.codecs.vad import FAINTEST, VoiceDetector
from speechhub.domain.audio import from_pcm16
from speechhub.pools import Pool

QUICK_WINDOWS: Final = 5
"""Windows that are judged at once: 0.2 ms each, and to hand them to a thread takes as long as all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Windows that follow each other."""

    start_ms: int
    """Start of the first."""
    probabilities: tuple[float, ...]
    """Of speech, 0 to 1."""

    @property
    def is_speech(self) -> bool:
        """Whether anybody may speak in one of them."""
        return any(probability >= FAINTEST for probability in self.probabilities)


class SpeechBuffer:
    """The audio of one session; times are milliseconds since it began, and never go back.

    The voice detector is made for the first audio, and made anew after `rest`: it takes 3 MB.
    """

    def __init__(self, sample_rate: int, *, start_ms: int, pool: Pool) -> None:
        """Begin without audio.

        Args:
            sample_rate: Rate of the audio, in hertz.
            start_ms: When it begins.
            pool: Whose threads judge long pieces.
        """
        self.sample_rate = sample_rate
        self._start_ms = start_ms
        self._pool = pool
        self._tape = Tape[np.int16]()
        self._short = bytearray()
        """What came last, less than a window: a block for each of ten thousand pieces a second would be
        larger than the audio."""
        self._detector: VoiceDetector | None = None
        self._judged_ms = start_ms
        self._speech: deque[int] = deque()
        """Starts of the windows in which anybody may speak, as far back as the audio is kept."""

    @property
    def now_ms(self) -> int:
        """Length of all audio since the session began."""
        return self._ms(self._tape.end + len(self._short) // 2)

    @property
    def kept_from_ms(self) -> int:
        """Start of the audio that is kept."""
        return self._ms(self._tape.start)

    @property
    def kept_bytes(self) -> int:
        """Size of the audio that is kept."""
        return 2 * (self._tape.end - self._tape.start) + len(self._short)

    async def append(self, pcm16: NDArray[np.int16], *, all_of_it: bool = False) -> Judged:
        """Take the next samples, and judge the windows that they complete.

        Args:
            pcm16: int16, shape (n_samples,); kept.
            all_of_it: Take in what is too short for a window, too.
        """
        if self._short or 1000 * len(pcm16) < WINDOW_MS * self.sample_rate:
            self._short += pcm16.tobytes()
            if not all_of_it and 500 * len(self._short) < WINDOW_MS * self.sample_rate:
                return Judged(start_ms=self._judged_ms, probabilities=())
            pcm16 = np.frombuffer(bytes(self._short), np.int16)
            self._short.clear()
        if not len(pcm16):
            return Judged(start_ms=self._judged_ms, probabilities=())
        if self._detector is None:
            self._judged_ms = max(self._judged_ms, self.now_ms)
            self._detector = VoiceDetector(self.sample_rate)
        self._tape.append(pcm16)
        if 1000 * len(pcm16) <= QUICK_WINDOWS * WINDOW_MS * self.sample_rate:
            found = _judge(self._detector, pcm16)
        else:
            found = await self._pool.run(_judge, self._detector, pcm16)
        judged = Judged(start_ms=self._judged_ms, probabilities=tuple(found))
        for probability in found:
            if probability >= FAINTEST:
                self._speech.append(self._judged_ms)
            self._judged_ms += WINDOW_MS
        return judged

    def speech(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """Return from when to when anybody may speak between two times; None if there is no speech."""
        found = [at for at in self._speech if start_ms < at + WINDOW_MS and at < end_ms]
        return (max(start_ms, found[0]), min(end_ms, found[-1] + WINDOW_MS)) if found else None

    def parts(self, start_ms: int, end_ms: int) -> list[NDArray[np.int16]]:
        """Return the audio between two times, block by block, as far as it is kept."""
        return self._tape.parts(self._sample(start_ms), self._sample(end_ms))

    def forget(self, before_ms: int) -> None:
        """Forget the audio before a time."""
        self._tape.forget(self._sample(before_ms))
        while self._speech and self._speech[0] + WINDOW_MS <= before_ms:
            self._speech.popleft()

    def clear(self) -> None:
        """Forget all audio; the next piece is judged by a new detector."""
        self._tape.append(np.frombuffer(bytes(self._short), np.int16))
        self._short.clear()
        self._tape.forget(self._tape.end)
        self._speech.clear()
        self.rest()

    def rest(self) -> None:
        """Free the voice detector until more audio comes."""
        self._detector = None

    def _ms(self, sample: int) -> int:
        return self._start_ms + sample * 1000 // self.sample_rate

    def _sample(self, ms: int) -> int:
        return max(0, -(-(ms - self._start_ms) * self.sample_rate // 1000))


def _judge(detector: VoiceDetector, pcm16: NDArray[np.int16]) -> list[float]:
    found: list[float] = detector.process(from_pcm16(pcm16)).tolist()
    return found

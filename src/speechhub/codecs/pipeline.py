"""Turns an engine's speech into a listener's bytes: joins its parts, changes the speed, encodes."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.crossfade import Pause, Seams
from speechhub.codecs.encode import OUTPUT_RATE, Encoder, SpeechFormat
from speechhub.codecs.stretch import Stretcher
from speechhub.domain.audio import Audio


class SpeechPipeline:
    """Audio in, bytes out; one for each response, used by one thread at a time."""

    def __init__(
        self,
        speech_format: SpeechFormat,
        *,
        sample_rate: int,
        speed: float = 1.0,
        output_rate: int = OUTPUT_RATE,
        bit_rate: int | None = None,
        whole: bool = False,
    ) -> None:
        """Prepare for speech at *sample_rate*, played *speed* times as fast and encoded at *output_rate*.

        With *whole*, `patched` returns headers that state the length.
        """
        self._seams = Seams(sample_rate)
        self._speed = speed
        self._stretcher = Stretcher(speed, sample_rate)
        self._encoder = Encoder(
            speech_format, source_rate=sample_rate, output_rate=output_rate, bit_rate=bit_rate, whole=whole
        )
        self._holds_back = speech_format.in_packets or speed != 1.0
        """Whether sound leaves only once more follows it."""
        self._sample_rate = sample_rate
        self._samples = 0

    @property
    def duration_s(self) -> float:
        """Length encoded so far, as the listener hears it, in seconds."""
        return self._samples / self._sample_rate

    def join(self, pause: Pause) -> None:
        """Begin another part of the speech, after *pause*."""
        self._seams.join(self._as_spoken(pause))

    def feed(self, audio: Audio) -> bytes:
        """Take some of a part; return the bytes that are ready, which may be none."""
        return self._encode(self._stretcher.process(self._seams.process(audio.samples)))

    def rest(self, seconds: float) -> bytes:
        """Add silence of *seconds*, as the listener hears them; return the bytes that are ready."""
        silence = np.zeros(round(seconds * self._speed * self._sample_rate), np.float32)
        return self._encode(self._stretcher.process(self._seams.process(silence)))

    def settle(self, pause: Pause) -> bytes:
        """Return what is held back of a part, because the next one is late.

        Silence that *pause* has in any case is added only where it pushes sound out: if no part follows after
        all, the speech is longer by it.
        """
        if not self._holds_back:
            pause = replace(pause, shortest_s=0.0)
        return self._encode(self._stretcher.process(self._seams.settle(self._as_spoken(pause))))

    def finish(self) -> bytes:
        """Return the last bytes."""
        rest = self._encode(self._stretcher.process(self._seams.finish()))
        return rest + self._encode(self._stretcher.finish()) + self._encoder.finish()

    def patched(self, head: bytes) -> bytes:
        """Return the final beginning of a finished file, whose first bytes, as returned, are *head*."""
        return self._encoder.patched(head)

    def _as_spoken(self, pause: Pause) -> Pause:
        """Return *pause* as it is before the speed changes."""
        if pause.as_spoken:
            return pause
        return Pause(shortest_s=pause.shortest_s * self._speed, longest_s=pause.longest_s * self._speed)

    def _encode(self, samples: NDArray[np.float32]) -> bytes:
        self._samples += len(samples)
        return self._encoder.encode(samples)

"""Sound of a realtime session: samples from and to bytes in its formats, in pieces of any length."""

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs import g711
from speechhub.codecs.g711 import Law
from speechhub.http.realtime.session_object import ALaw, AudioFormat, MuLaw


class SamplesIn:
    """Reads the samples of one stream of audio; lives as long as the session's input format."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._law = law_of(audio_format)
        self._pairs = _Pairs()

    def read(self, data: bytes) -> NDArray[np.int16]:
        """Return the samples that are complete: int16, shape (n_samples,)."""
        if self._law is not None:
            return g711.decode(data, self._law)
        return np.frombuffer(self._pairs.whole(data), "<i2")


class SamplesOut:
    """Writes one stream of speech in the session's output format; lives as long as a response."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._law = law_of(audio_format)
        self._pairs = _Pairs()
        self._sample_bytes = 2 if self._law is None else 1
        self._rate = audio_format.rate
        self._written_bytes = 0

    @property
    def duration_s(self) -> float:
        """Length of what was written, in seconds."""
        return self._written_bytes / self._sample_bytes / self._rate

    def write(self, pcm16: bytes) -> bytes:
        """Return what a piece of PCM16 is in the format; pieces need not end with a sample."""
        whole = self._pairs.whole(pcm16)
        data = whole if self._law is None else g711.encode(np.frombuffer(whole, "<i2"), self._law)
        self._written_bytes += len(data)
        return data


def law_of(audio_format: AudioFormat) -> Law | None:
    """Return the law of G.711 that a format is; None for PCM16."""
    match audio_format:
        case MuLaw():
            return Law.MU
        case ALaw():
            return Law.A
        case _:
            return None


class _Pairs:
    """Cuts a stream of bytes at even places; an odd byte waits for the next piece."""

    def __init__(self) -> None:
        self._odd = b""

    def whole(self, data: bytes) -> bytes:
        """Return all complete pairs that there are with *data*."""
        data = self._odd + data
        end = len(data) & ~1
        self._odd = data[end:]
        return data[:end]

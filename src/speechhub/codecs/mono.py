"""Mixes decoded frames to mono and brings them to one sample rate, block by block."""

from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
from av.audio import AudioFrame
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from speechhub.codecs.mixing import MIX_OPTIONS, Mixer
from speechhub.errors import AudioTooCostlyError, AudioTooLongError, UnsupportedAudioError

Samples = NDArray[np.float32]
SampleT = TypeVar("SampleT", np.float32, np.int16)

MAX_CHANNELS: Final = 8
MIN_SAMPLE_RATE: Final = 1_000
MAX_SAMPLE_RATE: Final = 384_000

CHANGES: Final = 100
"""How often the channels or the sample rate may change. Each change makes and empties a resampler, which
costs more than the audio in between."""
CHANGES_PER_S: Final = 2
"""Further changes allowed for each second of audio: the recording may be joined from clips of many kinds."""

BATCH_S: Final = 0.25
"""How much audio goes through the resampler at once, in seconds: calling it for every frame costs more than
the work itself."""
MIXED_BATCH_S: Final = 1.0
"""The same for several channels: the mixer needs more calls for a batch, and more memory."""
MAX_BATCH: Final = 48_000
"""The same in samples of each channel, if that is less: FFmpeg may not allocate much at once."""


class Mono:
    """Collects decoded frames as blocks of float32; lives for the decoding of one upload."""

    def __init__(self, sample_rate: int, max_duration_s: float, block_s: float) -> None:
        self.sample_rate = sample_rate
        """Rate of the blocks, in hertz."""
        self._max_duration_s = max_duration_s
        self._block_length = max(1, round(block_s * sample_rate))
        self._block = np.empty(self._block_length, np.float32)
        self._filled = 0
        self._full: list[NDArray[np.float32]] = []
        self.length = 0
        """Samples so far, in all blocks."""
        self.silent_s = 0.0
        """Length of the inserted silence among those samples, in seconds."""
        self._shape: tuple[str, str, int] | None = None
        self._last_shape: tuple[str, str, int] | None = None
        self._changes = 0
        self._waiting = AudioFifo()
        self._batch_s = BATCH_S
        self._resampler = AudioResampler()
        self._mixer: Mixer | None = None

    def add(self, frame: AudioFrame) -> None:
        """Mix, resample and append one frame."""
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if shape != self._shape:  # also in the middle of a stream: chained Ogg, changing AAC
            self.flush()
            _check_shape(frame)
            if shape != self._last_shape:  # a gap is not a change
                self._count_change()
                self._mixer = Mixer(frame.layout.name, frame.sample_rate)
            self._shape = self._last_shape = shape
            self._waiting = AudioFifo()
            self._batch_s = MIXED_BATCH_S if frame.layout.nb_channels > 1 else BATCH_S
            self._resampler = AudioResampler(
                format="flt",
                layout="mono",
                rate=self.sample_rate,
                frame_size=round(self.sample_rate * self._batch_s),
                options=MIX_OPTIONS,
            )
        frame.pts = None
        self._waiting.write(frame)
        if self._waiting.samples >= min(frame.sample_rate * self._batch_s, MAX_BATCH):
            self._resample(self._waiting.read())

    @property
    def duration_s(self) -> float:
        """Length so far, in seconds."""
        return self.length / self.sample_rate

    def add_pcm16(self, samples: NDArray[np.int16]) -> None:
        """Append mono samples that already have the right rate; int16, shape (n_samples,)."""
        self._append(samples, _scale)

    def silence(self, end_s: float, most_s: float) -> bool:
        """Append silence up to *end_s*, in seconds from the start, but at most *most_s* of it.

        Returns:
            Whether any was appended.
        """
        self.flush()
        missing = min(round(end_s * self.sample_rate) - self.length, round(most_s * self.sample_rate))
        if missing <= 0:
            return False
        self._append(np.zeros(missing, np.float32), _copy)
        self.silent_s += missing / self.sample_rate
        return True

    def take(self) -> list[NDArray[np.float32]]:
        """Return the full blocks that were not taken yet."""
        full, self._full = self._full, []
        return full

    def finish(self) -> list[NDArray[np.float32]]:
        """Return all blocks that were not taken yet; the last may be short."""
        self.flush()
        if self._filled:
            self._block.resize(self._filled, refcheck=False)
            self._full.append(self._block)
        return self.take()

    def flush(self) -> None:
        """Append what the resampler still holds; `finish` does so, too."""
        if self._shape is not None:
            if self._waiting.samples:
                self._resample(self._waiting.read())
            self._resample(None)
            self._shape = None

    def _count_change(self) -> None:
        self._changes += 1
        if self._changes > CHANGES + CHANGES_PER_S * self.duration_s:
            raise AudioTooCostlyError(
                "The audio changes its channels or its sample rate too often. Convert it to one of each, for "
                "example with: ffmpeg -i FILE -ar 16000 -ac 1 new.flac"
            )

    def _resample(self, frame: AudioFrame | None) -> None:
        if frame is not None and self._mixer is not None:
            frame = self._mixer.mix(frame)
        for part in self._resampler.resample(frame):
            self._append(part.to_ndarray()[0], _clean)

    def _append(self, samples: NDArray[SampleT], fill: Callable[[NDArray[SampleT], Samples], None]) -> None:
        """Fill blocks with *samples*, converted by *fill*, which writes into the array it is given."""
        self.length += len(samples)
        if self.length > self._max_duration_s * self.sample_rate:
            raise AudioTooLongError(
                f"Audio is longer than {self._max_duration_s:g} seconds, the limit of this server; "
                "split the recording."
            )
        while len(samples):
            target = self._block[self._filled : self._filled + len(samples)]
            fill(samples[: len(target)], target)
            samples = samples[len(target) :]
            self._filled += len(target)
            if self._filled == self._block_length:
                self._full.append(self._block)
                self._block = np.empty(self._block_length, np.float32)
                self._filled = 0


def _clean(samples: Samples, out: Samples) -> None:
    np.clip(samples, -1.0, 1.0, out=out)
    out[np.isnan(out)] = 0.0  # float recordings may contain NaN


def _copy(samples: Samples, out: Samples) -> None:
    out[:] = samples


def _scale(samples: NDArray[np.int16], out: Samples) -> None:
    np.multiply(samples, np.float32(1 / 32768), out=out)


def _check_shape(frame: AudioFrame) -> None:
    """Refuse channel counts and sample rates that no recording of speech has."""
    channels = frame.layout.nb_channels
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnsupportedAudioError(f"The audio has {channels} channels; up to {MAX_CHANNELS} are supported.")
    if not MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE:
        raise UnsupportedAudioError(
            f"The audio has a sample rate of {frame.sample_rate} Hz; "
            f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz are supported."
        )

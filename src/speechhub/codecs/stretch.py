"""Makes speech faster or slower without changing its pitch."""

from typing import Final, cast

import av
import numpy as np
from av.audio import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from speechhub.codecs.ffmpeg import limit_ffmpeg

MIN_SPEED: Final = 0.25
MAX_SPEED: Final = 4.0
"""Source: OpenAI's openapi.yaml, CreateSpeechRequest.speed."""


class Stretcher:
    """Stretches a stream of mono audio in time; lives for one stream.

    Uses FFmpeg's `atempo` (overlap-add of similar waveforms).

    Args:
        speed: 2 is twice as fast; `MIN_SPEED` to `MAX_SPEED`.
        sample_rate: sample rate of the input and the output, in hertz.

    Raises:
        ValueError: *speed* is out of range.
    """

    def __init__(self, speed: float, sample_rate: int) -> None:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(f"speed {speed} is not between {MIN_SPEED} and {MAX_SPEED}")
        self._sample_rate = sample_rate
        self._graph: Graph | None = None
        if speed != 1.0:
            limit_ffmpeg()
            self._graph = Graph()
            nodes = [self._graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono")]
            nodes += [self._graph.add("atempo", tempo=f"{tempo:.6f}") for tempo in _steps(speed)]
            nodes += [self._graph.add("abuffersink")]
            self._graph.link_nodes(*nodes).configure()

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples; return those that are ready, which may be none.

        Args:
            samples: float32, shape (n_samples,), range [-1, 1].
        """
        if self._graph is None:
            return samples
        if not len(samples):
            return np.empty(0, np.float32)
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32).reshape(1, -1), format="flt", layout="mono"
        )
        frame.sample_rate = self._sample_rate
        self._graph.push(frame)
        return _pull(self._graph)

    def finish(self) -> NDArray[np.float32]:
        """Return what is left; the stream ends here."""
        if self._graph is None:
            return np.empty(0, np.float32)
        self._graph.push(None)
        rest = _pull(self._graph)
        self._graph = None
        return rest


def _pull(graph: Graph) -> NDArray[np.float32]:
    """Take all that *graph* has ready."""
    parts: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    while True:
        try:
            frame = cast("AudioFrame", graph.pull())
        except (av.BlockingIOError, av.EOFError):
            return np.concatenate(parts)
        parts.append(cast("NDArray[np.float32]", frame.to_ndarray()[0]))


def _steps(speed: float) -> tuple[float, ...]:
    """Split *speed* into factors from 0.5 to 2: `atempo` refuses less, and drops samples above.

    Source: FFmpeg's documentation of `atempo`.
    """
    half = speed**0.5
    return (speed,) if 0.5 <= speed <= 2 else (half, half)  # noqa: PLR2004 - atempo's range

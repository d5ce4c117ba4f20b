"""Checks and measures what an engine speaks, before any of it becomes a listener's audio."""

from typing import Final

import numpy as np

from speechhub.codecs.encode import OUTPUT_RATE
from speechhub.engine import Audio
from speechhub.errors import EngineError

NOTHING_S: Final = 0.2
"""Silence, in seconds, for a text without words that an engine does not speak: an honest answer to "…"."""


class Spoken:
    """The speech of one request, however many calls of the engine it takes."""

    def __init__(self, model: str) -> None:
        """Begin with nothing spoken; *model* is for the errors' texts."""
        self._model = model
        self._sample_rate = 0
        self.duration_s = 0.0
        """Length of what was spoken, in seconds."""

    def add(self, audio: Audio) -> None:
        """Take the engine's next piece.

        Raises:
            EngineError: It is not speech that can be played.
        """
        if fault := self._fault(audio):
            raise EngineError(
                f"The engine of model {self._model!r} produced {fault}. Report it to the engine's authors, "
                "and use another model meanwhile."
            )
        self._sample_rate = audio.sample_rate
        self.duration_s += audio.duration_s

    def add_silence(self) -> Audio:
        """Take a short silence instead of an engine's piece, and return it."""
        rate = self._sample_rate or OUTPUT_RATE
        silence = Audio(samples=np.zeros(round(NOTHING_S * rate), np.float32), sample_rate=rate)
        self.add(silence)
        return silence

    def finish(self) -> None:
        """Check that there was something to hear.

        Raises:
            EngineError: The engine made no sound of the whole text.
        """
        if not self.duration_s:
            raise EngineError(
                f"The engine of model {self._model!r} produced no audio for this text. Check that the text "
                "has words in a language that the model speaks."
            )

    def _fault(self, audio: Audio) -> str:
        """Say what is wrong with a piece; nothing if all is well."""
        samples, rate = audio.samples, audio.sample_rate
        if rate < 1:
            return f"audio with a sample rate of {rate} Hz"
        if self._sample_rate not in (0, rate):
            return f"audio that changes its sample rate from {self._sample_rate} to {rate} Hz"
        if samples.dtype != np.float32 or samples.ndim != 1:
            return f"audio of {samples.dtype} with shape {samples.shape}, not mono float32"
        if not np.isfinite(samples).all():
            return "audio with samples that are not numbers, or infinite"
        return ""

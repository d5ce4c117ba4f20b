"""Text to speech: a tone for each word, and a piece of audio for each sentence."""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechhub.engine import (
    Audio,
    Call,
    InvalidValueError,
    LoadContext,
    SynthesizeRequest,
    TtsEngine,
    Voice,
)
from speechhub_echo import TTS
from speechhub_echo.faults import Faults, FaultSettings

PITCH_HZ = {"low": 220.0, "high": 440.0}
"""Lowest tone of each voice, in hertz."""
TONE_S = 0.2
"""Length of a word, in seconds."""
GAP_S = 0.05
"""Silence after a word, in seconds."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？\n])")  # noqa: RUF001  # Chinese texts have these


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoTtsSettings(FaultSettings):
    """What an operator can set for this engine."""

    sample_rate: int = 24_000
    """Rate of the speech, in hertz."""


class EchoTts(TtsEngine):
    """Speaks in tones; every word has its own."""

    def load(self, context: LoadContext) -> None:
        """Read the options; an engine with weights would load them from `context.model_dir`."""
        settings = context.settings(EchoTtsSettings)
        self._sample_rate = settings.sample_rate
        self._faults = Faults(settings)
        self._faults.while_loading()

    def voices(self) -> Sequence[Voice]:
        """Return the voices that the spec promises already."""
        return TTS.models[0].voices

    def synthesize(self, request: SynthesizeRequest, call: Call) -> Iterator[Audio]:
        """Yield one piece for each sentence, so that the first can be heard before the last is made."""
        if request.voice not in PITCH_HZ:
            raise InvalidValueError(f"There is no voice {request.voice!r}.", param="voice")
        for sentence in _SENTENCE_END.split(request.text):
            if words := sentence.split():
                self._faults.while_working(call, requests=1, text=sentence)
                tones = [self._tone(word, PITCH_HZ[request.voice]) for word in words]
                yield Audio(samples=np.concatenate(tones), sample_rate=self._sample_rate)

    def close(self) -> None:
        """Nothing to close here, but for the switch that refuses to."""
        self._faults.while_closing()

    def _tone(self, word: str, lowest_hz: float) -> NDArray[np.float32]:
        """Return the word's tone, within one octave, and the gap after it; float32, range [-0.3, 0.3]."""
        frequency_hz = lowest_hz * 2 ** (zlib.crc32(word.encode()) % 12 / 12)
        time_s = np.arange(round(TONE_S * self._sample_rate), dtype=np.float32) / self._sample_rate
        fade = np.sin(np.pi * time_s / TONE_S)  # a tone that begins at full strength clicks
        tone = 0.3 * fade * np.sin(2 * np.pi * frequency_hz * time_s)
        return np.append(tone, np.zeros(round(GAP_S * self._sample_rate))).astype(np.float32)

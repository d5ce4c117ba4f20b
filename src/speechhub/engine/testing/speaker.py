"""The TTS engine under test: what it is asked to speak, and what comes back."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import numpy as np

from speechhub.domain.audio import Audio
from speechhub.domain.voice import Voice
from speechhub.engine.base import TtsEngine
from speechhub.engine.capabilities import TtsCapabilities
from speechhub.engine.options import Reference, SynthesizeRequest
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.subject import Subject

REFERENCE_S: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsSubject(Subject[TtsEngine]):
    """A loaded TTS engine, and a text for it."""

    text: str
    loaded_voices: tuple[Voice, ...]

    @property
    def capabilities(self) -> TtsCapabilities:
        """What the model under test can do."""
        return self.declared(TtsCapabilities)

    def pieces(self, text: str = "", *, cancel_event: Event | None = None, **fields: Any) -> Iterator[Audio]:
        """Have the engine speak *text*, by default the text under test, in its first voice."""
        voice = self.loaded_voices[0].id if self.loaded_voices else ""
        if not self.loaded_voices and self.capabilities.cloning:
            fields = {"reference": self.reference(), **fields}
        request = SynthesizeRequest(**{"text": text or self.text, "voice": voice, **fields})
        return iter(self.engine.synthesize(request, self.call(cancel_event)))

    def reference(self, hertz: float = 180.0, *, stored: bool = False) -> Reference:
        """Return a recording that an engine could be sent: a buzz with overtones, of 3 s."""
        rate = self.capabilities.reference_sample_rate
        phase = np.arange(REFERENCE_S * rate, dtype=np.float64) * (2 * np.pi * hertz / rate)
        buzz = np.sum([np.sin(phase * overtone) / overtone for overtone in range(1, 6)], axis=0)
        samples = (0.2 * buzz).astype(np.float32)
        digest = hashlib.sha256(samples.tobytes()).hexdigest()
        return Reference(audio=Audio(samples=samples, sample_rate=rate), digest=digest, stored=stored)

    def speak(self, text: str = "", **fields: Any) -> list[Audio]:
        """Return the whole speech, held piece by piece against its promises."""
        pieces = list(self.pieces(text, **fields))
        for piece in pieces:
            _check_piece(piece)
        rates = {piece.sample_rate for piece in pieces}
        promise(len(rates) <= 1, f"The pieces have several sample rates, {sorted(rates)}: resample to one.")
        return pieces

    def duration_s(self, **fields: Any) -> float:
        """Return how long the speech is, in seconds."""
        return sum(piece.duration_s for piece in self.speak(**fields))


def _check_piece(piece: object) -> None:
    piece = promise_type(piece, Audio, f"synthesize yielded a {type(piece).__name__} where Audio belongs.")
    samples = promise_type(piece.samples, np.ndarray, "Audio.samples must be a numpy array.")
    promise(
        samples.dtype == np.float32 and samples.ndim == 1,
        f"Audio.samples must be float32 and of one dimension, not {samples.dtype} of shape {samples.shape}.",
    )
    promise(
        bool(np.isfinite(samples).all()), "Audio.samples hold values that are not finite (NaN or infinity)."
    )
    promise(
        len(samples) == 0 or float(np.abs(samples).max()) <= 1.0,
        "Audio.samples go beyond -1 to 1: scale or clip them.",
    )
    otherwise = f"Audio.sample_rate is {piece.sample_rate!r}; it is a whole number of hertz."
    promise(promise_type(piece.sample_rate, int, otherwise) > 0, otherwise)

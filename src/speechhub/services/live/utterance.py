"""Utterance: the audio of one item, as engines get it, without the silence around its speech."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.encode import to_pcm16, wav_header
from speechhub.codecs.loudness import Raiser
from speechhub.codecs.resample import resample
from speechhub.domain.audio import Audio, Pcm16Audio
from speechhub.services.live.settings import LiveSettings, TurnSettings
from speechhub.services.live.speech_buffer import SpeechBuffer

TAIL_MS: Final = 200
"""Silence that is left after the last speech: engines hear words in more."""
SHORTEST_S: Final = 0.2
"""Shorter speech is followed by silence up to this length: engines refuse less."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Utterance:
    """What was said between two times of a session."""

    item: str
    settings: LiveSettings
    """Those that held when it was committed."""
    start_ms: int
    """Where `parts` begin."""
    duration_s: float
    """In seconds, silence included."""
    parts: Sequence[NDArray[np.int16]]
    """The speech with a little silence around, at `settings.sample_rate`; empty without speech."""

    @property
    def length(self) -> int:
        """Number of samples in `parts`."""
        return sum(map(len, self.parts))

    def raised(self, sample_rate: int) -> Audio:
        """Return the same as `audio`, amplified where speech is quiet, as uploads are."""
        audio = self.audio(sample_rate)
        return Audio(samples=Raiser(sample_rate).process(audio.samples), sample_rate=sample_rate)

    def audio(self, sample_rate: int) -> Audio:
        """Return the speech at another rate, in hertz; takes long for long speech."""
        source_rate = self.settings.sample_rate
        pcm16 = np.concatenate(self.parts)
        missing = round(SHORTEST_S * source_rate) - len(pcm16)
        audio = Pcm16Audio(pcm16=np.pad(pcm16, (0, max(0, missing))), sample_rate=source_rate)
        return resample(audio, sample_rate)

    def wav(self, sample_rate: int) -> io.BytesIO:
        """Return the same as a WAV file."""
        audio = self.audio(sample_rate)
        pcm16 = audio.pcm16 if isinstance(audio, Pcm16Audio) else to_pcm16(audio.samples)
        return io.BytesIO(wav_header(pcm16.nbytes, sample_rate) + pcm16.tobytes())


def utterance(
    item: str, buffer: SpeechBuffer, settings: LiveSettings, start_ms: int, end_ms: int
) -> Utterance:
    """Return the utterance between two times of *buffer*."""
    speech = buffer.speech(start_ms, end_ms)
    parts: Sequence[NDArray[np.int16]] = ()
    first_ms = start_ms
    if speech is not None:
        prefix_ms = (settings.turns or TurnSettings()).prefix_ms
        first_ms = max(start_ms, speech[0] - prefix_ms)
        parts = buffer.parts(first_ms, min(end_ms, speech[1] + TAIL_MS))
    return Utterance(
        item=item,
        settings=settings,
        start_ms=first_ms,
        duration_s=(end_ms - start_ms) / 1000,
        parts=parts,
    )

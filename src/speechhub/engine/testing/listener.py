"""The STT engine under test: what it is asked to hear, and what comes back."""

from collections.abc import Generator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Transcript
from speechhub.engine.base import SttEngine
from speechhub.engine.call import Call
from speechhub.engine.capabilities import SttCapabilities
from speechhub.engine.options import TranscribeRequest
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.subject import Subject
from speechhub.engine.testing.transcript import check_transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class SttSubject(Subject[SttEngine]):
    """A loaded STT engine, and a recording for it."""

    audio: Audio
    audio_has_speech: bool

    @property
    def capabilities(self) -> SttCapabilities:
        """What the model under test can do."""
        return self.declared(SttCapabilities)

    def request(self, audio: Audio | None = None, **fields: Any) -> TranscribeRequest:
        """Return a request for *audio*, by default the recording under test."""
        return TranscribeRequest(audio=audio or self.audio, **fields)

    def transcribe(self, *batch: TranscribeRequest) -> list[Transcript]:
        """Have the engine transcribe, and hold every transcript against its promises."""
        transcripts = self.engine.transcribe(list(batch), self.call())
        promise(
            isinstance(transcripts, list), f"transcribe returned a {type(transcripts).__name__}, no list."
        )
        promise(
            len(transcripts) == len(batch),
            f"transcribe returned {len(transcripts)} transcripts for {len(batch)} recordings.",
        )
        for transcript, request in zip(transcripts, batch, strict=True):
            check_transcript(transcript, request, self.capabilities)
        return transcripts

    def stream(self, call: Call) -> Generator[str, None, Transcript]:
        """Return the engine's stream for the recording."""
        pieces = self.engine.stream(self.request(), call)
        return promise_type(
            pieces, GeneratorType, f"stream returned a {type(pieces).__name__}, no generator."
        )

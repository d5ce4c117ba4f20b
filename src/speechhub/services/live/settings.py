"""Settings of one live transcription."""

from dataclasses import dataclass

from speechhub.services.transcription import TranscriptionJob


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """How the server finds the turns of the speaker; see `speechhub.codecs.turns.TurnRules`."""

    threshold: float = 0.5
    """Probability of speech, 0 to 1."""
    prefix_ms: int = 300
    """How much audio before the first speech belongs to a turn."""
    silence_ms: int = 200
    """Length of the silence that ends a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """What a client wants of its session; `LiveService.check` says whether the server can do it."""

    model: str | None = None
    """A model id or alias; None means the default."""
    language: str | None = None
    """As in `TranscriptionJob`."""
    prompt: str | None = None
    hotwords: tuple[str, ...] = ()
    sample_rate: int = 24_000
    """Of the samples that are appended, in hertz; 8000 to 48000."""
    turns: TurnSettings | None = TurnSettings()
    """None where the client alone says what an utterance is."""
    transcribes: bool = True
    """Whether items get transcripts; a client that only wants to know when somebody speaks needs none."""

    def job(self, timeout_s: float | None = None) -> TranscriptionJob:
        """Return the same as for an upload that may take *timeout_s*."""
        return TranscriptionJob(
            model=self.model,
            language=self.language,
            prompt=self.prompt,
            hotwords=self.hotwords,
            timeout_s=timeout_s,
        )

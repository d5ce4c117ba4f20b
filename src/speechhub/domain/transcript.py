"""Speech as text, from whole to part: transcript → segment → word."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word with its place in time."""

    text: str
    """As it stands in the transcript, with a leading space where the script has spaces."""
    start_s: float
    """Offset from the start of the recording, in seconds."""
    end_s: float
    """Offset from the start of the recording, in seconds; never before `start_s`."""
    probability: float = 1.0
    """The engine's confidence, 0 to 1; 1 where the engine has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A contiguous stretch of a transcript."""

    text: str
    """With a leading space where the script has spaces, so that segments join to the transcript."""
    start_s: float
    """Offset from the start of the recording, in seconds."""
    end_s: float
    """Offset from the start of the recording, in seconds; never before `start_s`."""
    words: tuple[Word, ...] = ()
    """Empty unless the request asked for word timestamps."""
    tokens: tuple[int, ...] = ()
    """Token ids of the model's own vocabulary; empty where the engine does not tell."""
    temperature: float = 0.0
    """Sampling temperature that produced the text."""
    avg_logprob: float = 0.0
    """Mean log-probability of the tokens; 0 where the engine does not tell."""
    compression_ratio: float = 1.0
    """zlib compression ratio of the text; above 2.4 hints at repetition (Whisper's measure)."""
    no_speech_prob: float = 0.0
    """Probability that there is no speech, 0 to 1."""
    speaker: str | None = None
    """Who speaks, where the engine tells speakers apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said in one recording."""

    text: str
    """The whole text, without leading or trailing space."""
    language: str | None = None
    """ISO 639-1 code (639-3 where there is none) of the speech; None if the engine cannot tell. Of several
    languages the one in which most is said."""
    duration_s: float
    """Length of the recording, in seconds."""
    segments: tuple[Segment, ...] = ()
    """In order of time, without overlap; empty if the engine has no segment times."""
    languages: tuple[str, ...] = ()
    """All languages that were heard, `language` first; may be empty where there is but that one."""
    warnings: tuple[str, ...] = ()
    """Sentences for the client, in ASCII, about what may be wrong; without anything that was said."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

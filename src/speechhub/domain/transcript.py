"""Speech as text, from whole to part: transcript → segment → word."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word with its place in time."""

    text: str
    """As in the transcript, with a leading space in scripts that use spaces."""
    start_s: float
    """Offset from the start of the recording, in seconds."""
    end_s: float
    """Offset from the start of the recording, in seconds; never before `start_s`."""
    probability: float = 1.0
    """The engine's confidence, 0 to 1; 1 if the engine reports none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A contiguous stretch of a transcript."""

    text: str
    """With a leading space in scripts that use spaces, so that segments join to the transcript."""
    start_s: float
    """Offset from the start of the recording, in seconds."""
    end_s: float
    """Offset from the start of the recording, in seconds; never before `start_s`."""
    words: tuple[Word, ...] = ()
    """Empty unless the request asked for word timestamps."""
    tokens: tuple[int, ...] = ()
    """Token ids of the model's own vocabulary; empty if the engine does not report them."""
    temperature: float = 0.0
    """Sampling temperature that produced the text."""
    avg_logprob: float = 0.0
    """Mean log-probability of the tokens; 0 if the engine does not report it."""
    compression_ratio: float = 1.0
    """zlib compression ratio of the text; above 2.4 hints at repetition (Whisper's measure)."""
    no_speech_prob: float = 0.0
    """Probability that there is no speech, 0 to 1."""
    speaker: str | None = None
    """Label of the speaker, if the engine distinguishes speakers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said in one recording."""

    text: str
    """The whole text, without leading or trailing space."""
    language: str | None = None
    """ISO 639-1 code (639-3 if there is none) of the speech; None if the engine cannot tell. For several
    languages, the one spoken most."""
    duration_s: float
    """Length of the recording, in seconds."""
    segments: tuple[Segment, ...] = ()
    """In order of time, without overlap; empty if the engine has no segment times."""
    languages: tuple[str, ...] = ()
    """All languages that were heard, `language` first; may be empty if there is only that one."""
    warnings: tuple[str, ...] = ()
    """Sentences for the client, in ASCII, about possible problems; they never quote what was said."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What an engine has heard of an utterance so far."""

    text: str
    """All of the utterance's text, from its beginning, without leading or trailing space."""
    stable_chars: int = 0
    """How many characters at the start of `text` will not change any more, 0 to its length."""

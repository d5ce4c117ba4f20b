"""Events of a live transcription, in the order in which a client must get them.

Each item, or utterance, has an id. Times are milliseconds of audio since the session began.
"""

from dataclasses import dataclass
from typing import TypeAlias

from speechhub.errors import SpeechhubError
from speechhub.services.transcript_join import JoinedTranscript


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak: a new item."""

    item: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The speaker of the item that started last has stopped; it is committed next."""

    item: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The item is complete, and its transcript follows sooner or later."""

    item: str
    previous: str | None
    """The item that was committed before; None for the first."""


@dataclass(frozen=True, slots=True)
class TranscriptDelta:
    """More text of an item; the deltas of an item join with their own spaces."""

    item: str
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptCompleted:
    """The transcript of an item; it may differ from its deltas."""

    item: str
    transcript: JoinedTranscript
    duration_s: float
    """Length of the item in seconds, silence included."""


@dataclass(frozen=True, slots=True)
class TranscriptFailed:
    """An item has no transcript; the session goes on."""

    item: str
    error: SpeechhubError


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was not committed is forgotten, as the client asked."""


@dataclass(frozen=True, slots=True)
class BufferFull:
    """What was appended last is dropped: the client has to commit, or to clear, first."""


LiveEvent: TypeAlias = (
    SpeechStarted
    | SpeechStopped
    | Committed
    | TranscriptDelta
    | TranscriptCompleted
    | TranscriptFailed
    | Cleared
    | BufferFull
)

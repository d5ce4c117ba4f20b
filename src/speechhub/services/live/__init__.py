"""Live transcription: samples in while somebody speaks, typed events out."""

from speechhub.services.live.events import (
    BufferFull,
    Cleared,
    Committed,
    LiveEvent,
    SpeechStarted,
    SpeechStopped,
    TranscriptCompleted,
    TranscriptDelta,
    TranscriptFailed,
)
from speechhub.services.live.service import LiveService
from speechhub.services.live.session import LiveTranscription
from speechhub.services.live.settings import LiveSettings, TurnSettings

__all__ = [
    "BufferFull",
    "Cleared",
    "Committed",
    "LiveEvent",
    "LiveService",
    "LiveSettings",
    "LiveTranscription",
    "SpeechStarted",
    "SpeechStopped",
    "TranscriptCompleted",
    "TranscriptDelta",
    "TranscriptFailed",
    "TurnSettings",
]

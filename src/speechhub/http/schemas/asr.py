"""The shapes of whisper-asr-webservice: queries, and answers in JSON.

Source: ahmetoner/whisper-asr-webservice, app/webservice.py and app/utils.py, version 1.9.
"""

from typing import Literal

import msgspec

from speechhub.http.schemas import audio as schemas


class DetectionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of ``/detect-language``; unknown names are ignored."""

    encode: bool = True
    """Whether the recording is a file, in any format; false means bare samples: mono, 16-bit, little-endian,
    16 kHz."""
    audio_track: schemas.AudioTrack | None = None
    """Which audio track of a recording that has several: its number, counted from 1, or its language; this is
    speechhub's own."""


class AsrQuery(DetectionQuery, frozen=True, kw_only=True):
    """The query of ``/asr``; unknown names are ignored."""

    task: Literal["transcribe", "translate"] = "transcribe"
    """``translate`` writes English."""
    language: schemas.LanguageName | None = None
    """ISO 639-1 code of the speech, also with ``translate``; unset means detect it."""
    initial_prompt: schemas.Prompt | None = None
    """Text that sets style and vocabulary."""
    vad_filter: bool = False
    """No effect: speechhub always cuts long recordings at silences, and leaves those out."""
    word_timestamps: bool = False
    """Whether ``json`` has words with times; ``srt`` and ``vtt`` are cut by them wherever the model can."""
    output: Literal["txt", "vtt", "srt", "tsv", "json"] = "txt"
    """Format of the answer; all but ``txt`` need a model with timestamps."""


class AsrWord(msgspec.Struct, frozen=True, kw_only=True):
    """One word of ``output=json``."""

    start: float
    end: float
    word: str
    """With a leading space where the script has spaces."""
    probability: float


class AsrSegment(schemas.TranscriptionSegment, frozen=True, kw_only=True):
    """One segment of ``output=json``."""

    words: list[AsrWord] | None = None
    """Null unless ``word_timestamps`` is set."""


class AsrJson(msgspec.Struct, frozen=True, kw_only=True):
    """Answer for ``output=json``."""

    language: str | None
    """ISO 639-1 code; null if the model does not report it."""
    segments: list[AsrSegment]
    text: str


class DetectedLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of ``/detect-language``."""

    detected_language: str
    """Lower-case English name."""
    language_code: str
    """ISO 639-1 code, 639-3 where there is none."""
    confidence: float | None = None
    """Always null: engines report a language without a probability."""

"""Promises that every transcript keeps, whatever the recording."""

import difflib
import math
from collections.abc import Sequence
from itertools import pairwise

from speechhub.domain.transcript import Segment, Transcript, Word
from speechhub.engine.capabilities import SttCapabilities
from speechhub.engine.options import TranscribeRequest
from speechhub.engine.testing.description import check_language
from speechhub.engine.testing.promise import TOLERANCE_S, promise, promise_type


def check_transcript(
    transcript: object, request: TranscribeRequest, capabilities: SttCapabilities
) -> Transcript:
    """Check a transcript against the request and the declared capabilities, and return it.

    Raises:
        AssertionError: A promise of `Transcript`, `Segment` or `Word` is broken.
    """
    kind = type(transcript).__name__
    transcript = promise_type(
        transcript, Transcript, f"The engine returned a {kind} where a Transcript belongs."
    )
    text = transcript.text
    promise(text == text.strip(), "Transcript.text begins or ends with a space: strip() it.")
    promise(
        math.isclose(transcript.duration_s, request.audio.duration_s, abs_tol=TOLERANCE_S),
        f"duration_s is {transcript.duration_s} for {request.audio.duration_s} s of audio: it is the "
        "length of the recording, request.audio.duration_s.",
    )
    if transcript.language is not None:
        check_language(transcript.language, "the transcript")
    if request.language is not None:
        promise(
            transcript.language in (None, request.language),
            f"The request says that {request.language!r} is spoken, the transcript says "
            f"{transcript.language!r}.",
        )
    elif capabilities.language_detection and text:
        promise(
            transcript.language is not None,
            "language_detection is declared, but the transcript names no language.",
        )
    _check_segments(transcript, request, capabilities)
    return transcript


def _check_segments(
    transcript: Transcript, request: TranscribeRequest, capabilities: SttCapabilities
) -> None:
    segments = transcript.segments
    if not capabilities.segment_timestamps:
        promise(not segments, "There are segments, but segment_timestamps is not declared: declare it.")
        return
    promise(bool(segments) or not transcript.text, "segment_timestamps is declared, but there is no segment.")
    joined = "".join(segment.text for segment in segments).strip()
    promise(
        joined == transcript.text,
        "The segments' texts do not join to the transcript's: text must be "
        "''.join(s.text for s in segments).strip(), each segment with its leading space.",
    )
    _check_times("segment", segments, transcript.duration_s)
    for earlier, later in pairwise(segments):
        promise(
            later.start_s >= earlier.end_s - TOLERANCE_S,
            f"A segment starts at {later.start_s} s, before the one ahead of it ends at {earlier.end_s} s.",
        )
    for segment in segments:
        promise(
            0 <= segment.no_speech_prob <= 1,
            f"no_speech_prob is {segment.no_speech_prob}, not within 0 to 1.",
        )
        promise(
            segment.speaker is None or capabilities.diarization,
            "A segment names its speaker, but diarization is not declared: declare it.",
        )
    _check_words(transcript, request)


def _check_words(transcript: Transcript, request: TranscribeRequest) -> None:
    words = transcript.words
    if not request.word_timestamps:
        promise(not words, "There are words, but the request has word_timestamps=False: leave them out.")
        return
    promise(
        bool(words) or not transcript.text, "The request has word_timestamps=True, but no segment has words."
    )
    _check_times("word", words, transcript.duration_s)
    place = 0
    for word in words:
        promise(0 <= word.probability <= 1, f"A word's probability is {word.probability}, not within 0 to 1.")
        found = transcript.text.find(word.text.strip(), place)
        promise(found >= 0, "The words are not those of the text, in its order and its spelling.")
        place = found + len(word.text.strip())


def _check_times(what: str, stretches: Sequence[Segment] | Sequence[Word], duration_s: float) -> None:
    last_s = 0.0
    for stretch in stretches:
        promise(
            math.isfinite(stretch.start_s) and math.isfinite(stretch.end_s),
            f"A {what} has the times {stretch.start_s} and {stretch.end_s}.",
        )
        promise(
            stretch.start_s >= last_s - TOLERANCE_S,
            f"A {what} starts at {stretch.start_s} s, after one that starts at {last_s} s: put them in order "
            "of time, none before 0.",
        )
        promise(
            stretch.start_s <= stretch.end_s <= duration_s + TOLERANCE_S,
            f"A {what} lasts from {stretch.start_s} s to {stretch.end_s} s in a recording of {duration_s} s: "
            "clip its times.",
        )
        last_s = stretch.start_s


def likeness(one: str, other: str) -> float:
    """Return how alike two texts are: 1 for the same text, 0 for nothing in common."""
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()

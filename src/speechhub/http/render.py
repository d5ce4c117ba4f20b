"""Transcripts in OpenAI's shapes, whole and as events."""

import math
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Sequence
from typing import Final

import msgspec

from speechhub.codecs.subtitles import cues, to_srt, to_vtt
from speechhub.domain.language import language_name
from speechhub.engine import Segment, Transcript, Word
from speechhub.http.schemas import audio as schemas
from speechhub.services.transcript_join import JoinedTranscript

PLAIN: Final = ("text", "srt", "vtt")
"""Formats that are text, not JSON."""

WARNINGS_HEADER: Final = "x-recording-warnings"
WARNINGS_SEPARATOR: Final = " | "
MAX_WARNINGS_CHARS: Final = 2000

AUDIO_TOKENS_PER_S: Final = 10
"""Input tokens for a second of speech. Source: OpenAI's pricing notes for gpt-4o-transcribe."""
CHARS_PER_TOKEN: Final = 4
"""Rule of thumb for text in English. Source: OpenAI's tokenizer page."""
TOKENS_PER_S: Final = 20
"""Output tokens for a second of speech. Source: OpenAI's pricing notes for gpt-4o-mini-tts."""


def usage_of(transcript: Transcript) -> schemas.DurationUsage:
    """Return the transcript's usage: seconds, rounded up."""
    return schemas.DurationUsage(seconds=math.ceil(transcript.duration_s))


def to_text(transcript: Transcript) -> str:
    """Return the body of ``response_format=text``."""
    return transcript.text + "\n"


def to_subtitles(transcript: Transcript, response_format: str) -> str:
    """Return the body of ``srt`` or ``vtt``."""
    write = to_srt if response_format == "srt" else to_vtt
    return write(cues(transcript))


def to_json(transcript: Transcript) -> schemas.TranscriptionJson:
    """Return the body of ``json``."""
    return schemas.TranscriptionJson(
        text=transcript.text,
        languages=_languages(transcript),
        usage=usage_of(transcript),
        warnings=_warnings(transcript),
    )


def to_diarized_json(transcript: Transcript, *, task: str) -> schemas.TranscriptionDiarized:
    """Return the body of ``diarized_json``."""
    return schemas.TranscriptionDiarized(
        task=task,
        duration=round(transcript.duration_s, 3),
        text=transcript.text,
        segments=[_diarized(number, segment) for number, segment in enumerate(transcript.segments)],
        usage=usage_of(transcript),
        warnings=_warnings(transcript),
    )


async def transcript_events(
    pieces: AsyncIterable[str | Transcript], *, diarized: bool
) -> AsyncGenerator[msgspec.Struct, None]:
    """Turn pieces of text, and the transcript after them, into OpenAI's events."""
    async for piece in pieces:
        if isinstance(piece, str):
            if piece and not diarized:  # OpenAI's diarized streams have segments instead
                yield schemas.TextDelta(delta=piece)
            continue
        for number, segment in enumerate(piece.segments if diarized else ()):
            yield _diarized(number, segment)
        yield schemas.TextDone(
            text=piece.text,
            languages=_languages(piece),
            usage=_token_usage(piece),
            warnings=_warnings(piece),
        )


def warning_headers(transcript: Transcript) -> dict[str, str]:
    """Return the header with warnings about the recording; none if there are none."""
    return recording_headers(transcript.warnings if isinstance(transcript, JoinedTranscript) else ())


def recording_headers(warnings: Sequence[str]) -> dict[str, str]:
    """Return the header that holds *warnings* about a recording; none if there are none."""
    said = WARNINGS_SEPARATOR.join(warnings)[:MAX_WARNINGS_CHARS]
    return {WARNINGS_HEADER: said.encode("ascii", "replace").decode()} if said else {}


def _warnings(transcript: Transcript) -> list[str] | msgspec.UnsetType:
    warnings = transcript.warnings if isinstance(transcript, JoinedTranscript) else ()
    return list(warnings) or msgspec.UNSET


def _languages(transcript: Transcript) -> list[schemas.LanguageCode] | msgspec.UnsetType:
    codes = dict.fromkeys((transcript.language, *transcript.languages))
    return [schemas.LanguageCode(code=code) for code in codes if code] or msgspec.UNSET


def _token_usage(transcript: Transcript) -> schemas.TokenUsage:
    heard = math.ceil(transcript.duration_s * AUDIO_TOKENS_PER_S)
    counted = sum(len(segment.tokens) for segment in transcript.segments)
    written = counted or math.ceil(len(transcript.text) / CHARS_PER_TOKEN)
    return schemas.TokenUsage(
        input_tokens=heard,
        output_tokens=written,
        total_tokens=heard + written,
        input_token_details=schemas.TokenDetails(text_tokens=0, audio_tokens=heard),
    )


def _diarized(number: int, segment: Segment) -> schemas.DiarizedSegment:
    return schemas.DiarizedSegment(
        id=f"seg_{number}",
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        text=segment.text,
        speaker=segment.speaker or "A",
    )


def to_verbose_json(
    transcript: Transcript, *, task: str, granularities: Collection[str]
) -> schemas.TranscriptionVerbose:
    """Return the body of ``verbose_json``; *granularities* says whether it has segments, words or both."""
    return schemas.TranscriptionVerbose(
        task=task,
        language=language_name(transcript.language) if transcript.language else "unknown",
        languages=_languages(transcript) if len(transcript.languages) > 1 else msgspec.UNSET,
        duration=round(transcript.duration_s, 3),
        text=transcript.text,
        segments=[to_segment(number, segment) for number, segment in enumerate(transcript.segments)]
        if "segment" in granularities
        else msgspec.UNSET,
        words=[_word(word) for word in transcript.words] if "word" in granularities else msgspec.UNSET,
        usage=usage_of(transcript),
        warnings=_warnings(transcript),
    )


def to_segment(number: int, segment: Segment) -> schemas.TranscriptionSegment:
    """Return one segment, whose place in the transcript is *number*."""
    return schemas.TranscriptionSegment(
        id=number,
        seek=int(segment.start_s // 30) * 3000,  # start of Whisper's 30 s window, in frames of 10 ms
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        text=segment.text,
        tokens=list(segment.tokens),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
    )


def _word(word: Word) -> schemas.TranscriptionWord:
    text = word.text.strip()
    first, last = 0, len(text)
    while first < last and _is_punctuation(text[first]):
        first += 1
    while last > first and _is_punctuation(text[last - 1]):
        last -= 1
    return schemas.TranscriptionWord(
        word=text[first:last] or text, start=round(word.start_s, 3), end=round(word.end_s, 3)
    )


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P")

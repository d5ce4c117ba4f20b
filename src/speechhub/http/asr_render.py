"""Transcripts → the answers of whisper-asr-webservice."""

from collections.abc import Iterator

import msgspec

from speechhub.engine import Segment, Transcript
from speechhub.http import render
from speechhub.http.schemas import asr as asr_schemas


def to_output(transcript: Transcript, output: str, *, words: bool) -> str:
    """Return the body of the answer.

    Args:
        transcript: What was said.
        output: ``txt``, ``vtt``, ``srt``, ``tsv`` or ``json``.
        words: Whether segments in JSON have their words.
    """
    match output:
        case "srt" | "vtt":
            return render.to_subtitles(transcript, output)
        case "tsv":
            return "".join(f"{line}\n" for line in _rows(transcript))
        case "json":
            return msgspec.json.encode(_to_json(transcript, words=words)).decode()
        case _:
            texts = [segment.text for segment in transcript.segments] or [transcript.text]
            return "".join(f"{line}\n" for line in map(_line, texts) if line)


def _rows(transcript: Transcript) -> Iterator[str]:
    yield "start\tend\ttext"
    for segment in transcript.segments:
        yield f"{_milliseconds(segment.start_s)}\t{_milliseconds(segment.end_s)}\t{_line(segment.text)}"


def _line(text: str) -> str:
    """Return *text* without characters that would end a line or a column."""
    return " ".join(text.split())


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _to_json(transcript: Transcript, *, words: bool) -> asr_schemas.AsrJson:
    return asr_schemas.AsrJson(
        language=transcript.language,
        segments=[_segment(number, it, words=words) for number, it in enumerate(transcript.segments)],
        text=transcript.text,
    )


def _segment(number: int, segment: Segment, *, words: bool) -> asr_schemas.AsrSegment:
    plain = msgspec.structs.asdict(render.to_segment(number, segment))
    timed = [
        asr_schemas.AsrWord(
            start=round(word.start_s, 3),
            end=round(word.end_s, 3),
            word=word.text,
            probability=word.probability,
        )
        for word in segment.words
    ]
    return asr_schemas.AsrSegment(**plain, words=timed if words else None)

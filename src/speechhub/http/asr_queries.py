"""Requests of whisper-asr-webservice's clients → what they ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import quote

import msgspec

from speechhub.codecs.headerless import with_header
from speechhub.engine import Task
from speechhub.errors import MissingValueError, RequestError
from speechhub.http.choices import spelled
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.ignored import note_ignored
from speechhub.http.multipart import read_form
from speechhub.http.refusal import refusal
from speechhub.http.schemas.asr import AsrQuery, DetectionQuery
from speechhub.services.transcription import TranscriptionJob

FILE: Final = "audio_file"
"""The part of the form that is the recording."""
SAMPLE_RATE: Final = 16_000
"""Of samples without a header, in hertz."""
NAMES: Final = {
    "file": FILE,
    "model": "task",  # the default model is at fault only where it cannot do the task
    "response_format": "output",
    "timestamp_granularities": "word_timestamps",
}
"""OpenAI's names of a request's fields, which the services use → the names of these clients."""
LONGEST_FILENAME: Final = 100
"""How much of a file's name is returned in a header, in characters; proxies refuse long heads."""
UNUSED: Final = ("vad_filter",)
"""Fields that are checked and have no effect."""

_BOOLS: Final = {"yes": "true", "y": "true", "t": "true", "on": "true"} | {
    "no": "false",
    "n": "false",
    "f": "false",
    "off": "false",
}
"""Further words for true and false, as pydantic reads them, which the original uses."""

QueryT = TypeVar("QueryT", bound=DetectionQuery)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsrUpload:
    """A recording, which is closed with its request."""

    file: BinaryIO
    filename: str
    """Percent-encoded, fit for a header."""


def read_query(request: HttpRequest, kind: type[QueryT]) -> QueryT:
    """Read what stands behind the ``?``; empty values count as absent.

    Raises:
        InvalidValueError: A value is wrong.
    """
    given = {name: text for name, text in request.query_params.multi_items() if text}
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name in given.keys() & fields.keys():
        text = given[name]
        value = _BOOLS.get(text.lower(), text.lower()) if fields[name].type is bool else text
        value = spelled(value, fields[name].type)
        try:
            values[name] = msgspec.convert(value, fields[name].type, strict=False)
        except msgspec.ValidationError as error:
            raise refusal(name, text, fields[name].type, strict=False) from error
    note_ignored(request.scope, [*(given.keys() - fields.keys()), *filter(values.get, UNUSED)])
    return kind(**values)


async def read_upload(request: HttpRequest, *, encode: bool, limit_bytes: int) -> AsrUpload:
    """Read the body.

    Args:
        request: Its body must be unread.
        encode: False where the file is samples without a header.
        limit_bytes: Largest file.

    Raises:
        RequestError: The body is not a form with a recording, or too large.
    """
    form = await read_form(request, limit_bytes=limit_bytes, file_field=FILE)
    note_ignored(request.scope, form.fields)
    if form.file is None:
        raise MissingValueError(FILE, f"Send the recording in the form field {FILE!r}.")
    context_of(request).exit_stack.callback(form.file.close)
    file = form.file if encode else with_header(form.file, sample_rate=SAMPLE_RATE)
    return AsrUpload(file=file, filename=quote((form.filename or FILE)[:LONGEST_FILENAME], safe=""))


def job_of(query: AsrQuery, *, timeout_s: float | None) -> TranscriptionJob:
    """Return what the query asks of the default model."""
    return TranscriptionJob(
        task=Task(query.task),
        language=query.language,
        prompt=query.initial_prompt,
        segments=query.output != "txt",
        words=query.word_timestamps and query.output == "json",
        words_if_possible=query.output in ("srt", "vtt"),
        audio_track=track_of(query),
        timeout_s=timeout_s,
    )


def track_of(query: DetectionQuery) -> str | None:
    """Return which audio track the query names, as a job does."""
    return None if query.audio_track is None else str(query.audio_track)


@contextmanager
def fields_named() -> Iterator[None]:
    """Make errors of the block name the fields of the request as these clients do."""
    try:
        yield
    except RequestError as error:
        error.param = NAMES.get(error.param or "", error.param)
        raise

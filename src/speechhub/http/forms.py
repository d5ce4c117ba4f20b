"""Text fields of a form → what a client asks for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from speechhub.engine import Task
from speechhub.errors import InvalidValueError
from speechhub.http.choices import spelled
from speechhub.http.form_arrays import array, element_of, leaves
from speechhub.http.json_text import decode_json
from speechhub.http.refusal import refusal
from speechhub.http.schemas.audio import ServerVad, TranscriptionFields
from speechhub.services.transcription import TranscriptionJob

_NESTED: Final = "chunking_strategy"
_LEAVES: Final = ("type", *ServerVad.__struct_fields__)
_WITH_COMMAS: Final = ("keywords", "known_speaker_names", "known_speaker_references")
"""Arrays whose elements may have commas; those of the others are words that have none."""
# Looked up once: it would take a tenth of a millisecond for each form.
FIELDS: Final = {field.name: field for field in msgspec.structs.fields(TranscriptionFields)}
"""The fields of a transcription, by name."""
_KINDS: Final = {name: type(msgspec.inspect.type_info(field.type)) for name, field in FIELDS.items()}


def read_fields(form: Mapping[str, Sequence[str]]) -> TranscriptionFields:
    """Read a form's text fields; numbers and booleans are text there.

    Args:
        form: Values by name, with any ``[]`` behind the name removed.

    Raises:
        InvalidValueError: A value is wrong, or contradicts another.
    """
    values: dict[str, Any] = {}
    for field in FIELDS.values():
        value = _chunking(form) if field.name == _NESTED else _value(form, field.name)
        if value is None:
            continue
        value = spelled(value, field.type)
        try:
            msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise refusal(field.name, value, field.type, strict=False, param=field.name) from error
        values[field.name] = value
    return checked(msgspec.convert(values, TranscriptionFields, strict=False))


def checked(fields: TranscriptionFields) -> TranscriptionFields:
    """Return *fields*, which do not contradict each other.

    Raises:
        InvalidValueError: They do.
    """
    if "word" in fields.timestamp_granularities and fields.response_format != "verbose_json":
        raise InvalidValueError(
            "timestamp_granularities 'word' needs response_format 'verbose_json'.",
            param="timestamp_granularities",
        )
    return fields


def unknown_fields(form: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of fields that a form has beyond those of transcriptions."""
    return [name for name in form if not _is_known(name)]


def _is_known(name: str) -> bool:
    if element := element_of(name):
        return _KINDS.get(element[0]) is msgspec.inspect.VarTupleType
    return name in _KINDS or name in [f"{_NESTED}[{leaf}]" for leaf in _LEAVES]


def _value(form: Mapping[str, Sequence[str]], name: str) -> Any:
    if _KINDS[name] is msgspec.inspect.VarTupleType:
        return array(form, name, commas=name not in _WITH_COMMAS) or None
    texts = form.get(name)
    if not texts:
        return None
    if _KINDS[name] is msgspec.inspect.BoolType:
        return texts[-1].strip().lower()
    return texts[-1]


def _chunking(form: Mapping[str, Sequence[str]]) -> Any:
    """Read the one nested field, which SDKs write as a word, as JSON, or as a part for each leaf."""
    if parts := leaves(form, _NESTED):
        return parts
    text = (form.get(_NESTED) or [""])[-1].strip()
    if not text.startswith("{"):
        return text or None
    return decode_json(text, what=_NESTED, param=_NESTED)


def job_of(fields: TranscriptionFields, task: Task) -> TranscriptionJob:
    """Return what the fields ask for."""
    subtitles = fields.response_format in ("srt", "vtt")
    diarized = fields.response_format == "diarized_json"
    hint = fields.languages[0] if len(fields.languages) == 1 else None
    transcribes = task is Task.TRANSCRIBE
    return TranscriptionJob(
        model=fields.model,
        task=task,
        language=(fields.language or hint) if transcribes else None,
        languages=fields.languages if transcribes and not (fields.language or hint) else (),
        prompt=fields.prompt,
        hotwords=fields.keywords,
        temperature=fields.temperature,
        segments=subtitles or fields.response_format == "verbose_json",
        words="word" in fields.timestamp_granularities,
        words_if_possible=subtitles,
        speakers=diarized or bool(fields.known_speaker_names or fields.known_speaker_references),
        logprobs="logprobs" in fields.include,
        audio_track=None if fields.audio_track is None else str(fields.audio_track),
    )

"""Bodies and answers of operations that depend on the request, for the OpenAPI document."""

from collections.abc import Iterable, Mapping
from typing import Final

from speechhub.http.openapi.described import Json
from speechhub.http.openapi.examples import ASR_TEXTS, FIELDS, SUBTITLES
from speechhub.http.openapi.shapes import REF, component_schemas
from speechhub.voices.records import MAX_NAME_CHARS

AUDIO_TYPES: Final = ("audio/mpeg", "audio/opus", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")

ONLY_TRANSCRIPTIONS: Final = ("language", "languages")
"""Fields of a transcription that do not apply to a translation, which is in English."""

VOICE_FORM: Final[Mapping[str, Json]] = {
    "name": {"type": "string", "maxLength": MAX_NAME_CHARS, "description": "A unique name; case is ignored."},
    "consent": {"type": "string", "description": "Id of the speaker's consent."},
    "type": {"type": "string", "enum": ["audio_sample"], "description": "What the voice is made from."},
}
CONSENT_FORM: Final[Mapping[str, Json]] = {
    "name": {"type": "string", "maxLength": MAX_NAME_CHARS, "description": "A label."},
    "language": {
        "type": "string",
        "description": "BCP 47 tag of the language that is spoken, such as en-US.",
    },
}


def root_content() -> Json:
    """Return what the root answers to programs and to browsers."""
    texts = {"text/plain": "One line of text.", "text/html": "A page, for clients that accept HTML."}
    return {kind: {"schema": {"type": "string", "description": text}} for kind, text in texts.items()}


def health_content() -> Json:
    """Return what ``/health`` answers with and without a key."""
    return {"application/json": {"schema": _any_of(["Health", "Status"])}}


def unload_content() -> Json:
    """Return what unloading answers: a model, or all of a slot."""
    return {"application/json": {"schema": _any_of(["ModelHealth", "EngineList"])}}


def transcription_form(*, leave_out: Iterable[str] = ()) -> Json:
    """Return the multipart body: the text fields, and the recording."""
    struct = component_schemas()["TranscriptionFields"]
    properties: Json = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, opus, wav, webm or nearly "
            "any other audio or video container. The format is detected from the bytes; the part's name and "
            "type do not matter.",
        }
    }
    for name, schema in struct["properties"].items():
        if name not in leave_out:
            properties[name] = without_null(schema) | ({"examples": FIELDS[name]} if name in FIELDS else {})
    form = {"type": "object", "properties": properties, "required": ["file"]}
    audio = {
        "$ref": REF.format(name="InputAudio"),
        "description": "The recording, as in OpenRouter's API; up to 16 MiB. Send a larger one as a form.",
    }
    body = {
        "type": "object",
        "properties": {
            "input_audio": audio,
            **{name: it for name, it in properties.items() if name != "file"},
        },
        "required": ["input_audio"],
    }
    return {
        "required": True,
        "content": {"multipart/form-data": {"schema": form}, "application/json": {"schema": body}},
    }


def sample_form(field: str, texts: Mapping[str, Json]) -> Json:
    """Return the multipart body with a recording; all its fields are required, but type."""
    file = {
        "type": "string",
        "format": "binary",
        "description": "The recording; its format is detected from its bytes.",
    }
    form = {
        "type": "object",
        "properties": {field: file, **texts},
        "required": [field, *(name for name in texts if name != "type")],
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def query_parameters(struct: type) -> list[Json]:
    """Return what stands behind the ``?``, one parameter for each field of a struct."""
    parameters = []
    for name, schema in component_schemas()[struct.__name__]["properties"].items():
        text = schema.pop("description")
        parameters.append({"name": name, "in": "query", "description": text, "schema": schema})
    return parameters


def asr_content() -> Json:
    """Return what ``/asr`` answers."""
    text = "In the format that `output` names; with `json` an object like `AsrJson`, as text too."
    return {"text/plain": {"schema": {"type": "string", "description": text}, "examples": ASR_TEXTS}}


def without_null(schema: Json) -> Json:
    """Return a field's schema as forms and queries can write it: there, unset means absent."""
    made = dict(schema)
    offered = made.pop("anyOf", None) or made.pop("oneOf", [])  # msgspec's word, and Litestar's
    choices = [choice for choice in offered if choice != {"type": "null"}]
    return made | (choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})


def transcript_content() -> Json:
    """Return what transcriptions and translations answer."""
    shapes = ["TranscriptionJson", "TranscriptionVerbose", "TranscriptionDiarized"]
    events = ["TextDelta", "DiarizedSegment", "TextDone"]
    return {
        "application/json": {"schema": _any_of(shapes)},
        "text/plain": {
            "schema": {"type": "string", "description": "With response_format text, srt or vtt."},
            "examples": SUBTITLES,
        },
        "text/event-stream": {"schema": _events(events, "With stream=true.")},
    }


def speech_content() -> Json:
    """Return what requests for speech are answered."""
    audio = {"schema": {"type": "string", "format": "binary"}}
    events = _events(["SpeechDelta", "SpeechDone"], "With stream_format sse.")
    return dict.fromkeys(AUDIO_TYPES, audio) | {"text/event-stream": {"schema": events}}


def elevenlabs_speech_content() -> Json:
    """Return what ElevenLabs' clients are answered: audio in the format that they name."""
    audio = {"schema": {"type": "string", "format": "binary"}}
    types = ("audio/mpeg", "audio/opus", "audio/wav", "audio/pcm", "audio/basic", "audio/x-alaw-basic")
    return dict.fromkeys(types, audio)


def elevenlabs_timed_content() -> Json:
    """Return what ElevenLabs' clients are answered that want times, too."""
    line = {"$ref": REF.format(name="ElevenLabsTimedAudio"), "description": "Each line is one of these."}
    return {"application/x-ndjson": {"schema": line}}


def _events(names: list[str], when: str) -> Json:
    return _any_of(names) | {
        "description": f"{when} Each event is one line `data: ` with this as JSON, and a blank line; "
        "`data: [DONE]` is the last. An error after the start is an event with OpenAI's error object."
    }


def _any_of(names: list[str]) -> Json:
    return {"anyOf": [{"$ref": REF.format(name=name)} for name in names]}

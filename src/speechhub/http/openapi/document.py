"""The OpenAPI description: what Litestar finds in the handlers, completed with what signatures cannot say.

Litestar writes paths, parameters and summaries; the shapes come from the structs in ``schemas.py`` and the
other modules of that ending (see ``openapi_shapes.py``). The bodies of the audio routes,
which depend on the request, and the errors are added here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import OpenAPI

from speechhub import __version__
from speechhub.http.openapi.examples import (
    ANSWERS,
    ASR_TEXTS,
    FIELDS,
    SPEECH_REQUESTS,
    SUBTITLES,
    error_example,
)
from speechhub.http.openapi.shapes import REF, component_schemas
from speechhub.voices.records import MAX_NAME_CHARS

Json = dict[str, Any]

OPENAI: Final = "OpenAI's API"
OWN: Final = "speechhub's own"

DESCRIPTION: Final = """\
A self-hosted speech server that speaks OpenAI's audio API.

* Every path under `/v1` also answers without `/v1`, and under `/openai/v1`; \
`/openai/deployments/{deployment}/audio/…` takes the model from the path, as Azure's clients expect.
* Fields that are not described here are ignored.
* Arrays in forms are repeated parts, named `field[]` or `field`; empty parts and the text `null` are unset.
* Every answer has `x-request-id`. Every error has OpenAI's error object.
* `x-request-timeout` on a request for speech or a transcript is how many seconds the client will wait.
* Where the server has no API keys, none is needed and any is accepted.
"""

AUDIO_TYPES: Final = ("audio/mpeg", "audio/opus", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")

ERRORS: Final[Mapping[str, str]] = {
    "400": "A field is wrong, or the audio cannot be used; `param` names the field.",
    "401": "The server has API keys, and the request has none, or a wrong one.",
    "403": "It is not for clients to do this.",
    "404": "There is no such model, voice or consent.",
    "408": "The request body stopped arriving.",
    "409": "It contradicts what is there.",
    "413": "The recording is too large.",
    "415": "The body is not multipart/form-data, nor JSON where that is taken too.",
    "429": "This caller asks for too much; `retry-after` says when to try again.",
    "500": "The engine failed. SDKs do not repeat the request.",
    "503": "The model, or room on the disk, cannot be had now; `retry-after` says when to try again.",
}
"""Status → what it means; each is a response component."""

FORM_ERRORS: Final = ("400", "401", "404", "408", "413", "415", "429", "500", "503")
OPERATION_ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "createTranscription": FORM_ERRORS,
    "createTranslation": FORM_ERRORS,
    "createAsrTranscript": FORM_ERRORS,
    "detectLanguage": FORM_ERRORS,
    "createSpeech": ("400", "401", "404", "408", "413", "429", "500", "503"),
    "listModels": ("401",),
    "retrieveModel": ("400", "401", "404"),
    "deleteModel": ("400", "401", "403", "404"),
    "listVoices": ("400", "401", "404", "500", "503"),
    "listSpeechVoices": ("400", "401", "404", "500", "503"),
    "listAudioModels": ("401",),
    "createVoice": ("400", "401", "404", "408", "409", "413", "415", "500", "503"),
    "retrieveVoice": ("400", "401", "404"),
    "deleteVoice": ("400", "401", "404", "503"),
    "createVoiceConsent": ("400", "401", "408", "413", "415", "500", "503"),
    "listVoiceConsents": ("400", "401"),
    "retrieveVoiceConsent": ("400", "401", "404"),
    "updateVoiceConsent": ("400", "401", "404", "408", "413", "503"),
    "deleteVoiceConsent": ("400", "401", "404", "409", "503"),
    "getMetrics": ("401",),
    "listEngines": ("401", "403"),
    "loadEngine": ("400", "401", "403", "404", "500", "503"),
    "unloadEngine": ("400", "401", "403", "404"),
    "pinEngine": ("400", "401", "403", "404"),
    "unpinEngine": ("400", "401", "403", "404"),
    "getReady": ("503",),
}
"""Operation → the errors that it can answer; those that are not here answer none."""

OPEN_OPERATIONS: Final = ("getRoot", "getHealth", "getLive", "getReady")
"""What needs no API key."""

ONLY_TRANSCRIPTIONS: Final = ("language", "languages")
"""Fields of a transcription that mean nothing for a translation, which is in English."""


VOICE_FORM: Final[Mapping[str, Json]] = {
    "name": {"type": "string", "maxLength": MAX_NAME_CHARS, "description": "Unique, case ignored."},
    "consent": {"type": "string", "description": "Id of the speaker's consent."},
    "type": {"type": "string", "enum": ["audio_sample"], "description": "What the voice is made from."},
}
CONSENT_FORM: Final[Mapping[str, Json]] = {
    "name": {"type": "string", "maxLength": MAX_NAME_CHARS, "description": "A label."},
    "language": {"type": "string", "description": "BCP 47 tag of what is said, such as en-US."},
}
SAMPLE_FORMS: Final[Mapping[str, tuple[str, Mapping[str, Json]]]] = {
    "createVoice": ("audio_sample", VOICE_FORM),
    "createVoiceConsent": ("recording", CONSENT_FORM),
    "createAsrTranscript": ("audio_file", {}),
    "detectLanguage": ("audio_file", {}),
}
"""Operation → the part of its form that is a recording, and the texts beside it."""
QUERIES: Final = {"createAsrTranscript": "AsrQuery", "detectLanguage": "DetectionQuery"}
"""Operation → the struct of what stands behind its ``?``, where the handler's signature does not tell."""


def openapi_config() -> OpenAPIConfig:
    """Return how the description is made and served: as JSON and YAML, without pages from elsewhere."""
    return _Config(
        title="speechhub",
        version=__version__,
        description=DESCRIPTION,
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],
    )


def _operation_id(handler: HTTPRouteHandler, _method: object, _path: Sequence[object]) -> str:
    """Name an operation as its handler, as OpenAI would: ``create_speech`` is ``createSpeech``."""
    first, *rest = handler.handler_name.split("_")
    return first + "".join(word.title() for word in rest)


@dataclass
class _Config(OpenAPIConfig):
    """Makes a document that completes itself."""

    def to_openapi_schema(self) -> OpenAPI:
        plain = super().to_openapi_schema()
        return _Document(**{field.name: getattr(plain, field.name) for field in fields(plain)})


@dataclass
class _Document(OpenAPI):
    """What Litestar fills in and then turns into a dictionary, once."""

    def to_schema(self) -> Json:
        document = super().to_schema()
        document["tags"] = [{"name": OPENAI}, {"name": OWN}]
        document["security"] = [{}, {"bearer": []}, {"apiKey": []}]
        document["components"] = {
            "schemas": component_schemas(),
            "responses": {status: _error_response(status) for status in ERRORS},
            "headers": {
                "RequestId": {
                    "description": "Names the request.",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "api-key"},
            },
        }
        for path in document["paths"].values():
            for operation in path.values():
                _complete(operation)
        return document


# ── Operations ───────────────────────────────────────────────────────────────


def _complete(operation: Json) -> None:
    """Add to an operation what its handler's signature does not tell."""
    name = operation["operationId"]
    operation["description"] = operation["description"].replace("``", "`")
    if name in OPEN_OPERATIONS:
        operation["security"] = []
    success = operation["responses"]["200"]
    success["headers"] = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
    success["description"] = "What was asked for."
    if name in SAMPLE_FORMS:
        operation["requestBody"] = _sample_form(*SAMPLE_FORMS[name])
    _complete_parameters(operation)
    if name == "createVoice":
        success["headers"]["x-recording-warnings"] = {
            "schema": {"type": "string"},
            "description": "What could be better about it; ` | ` stands between sentences.",
        }
    match name:
        case "createTranscription" | "createTranslation":
            leave_out = ONLY_TRANSCRIPTIONS if name == "createTranslation" else ()
            operation["requestBody"] = _form(leave_out=leave_out)
            success["content"] = _transcript_content(ANSWERS[name])
            success["headers"]["x-recording-warnings"] = {
                "schema": {"type": "string"},
                "description": "What is wrong with the recording; ` | ` stands between sentences.",
            }
        case "createSpeech":
            operation["requestBody"]["content"]["application/json"]["examples"] = SPEECH_REQUESTS
            success["content"] = _speech_content()
        case "createAsrTranscript":
            success["headers"]["asr-engine"] = {
                "schema": {"type": "string"},
                "required": True,
                "description": "What listened.",
            }
            success["content"] = {"text/plain": _asr_text()}
        case "deleteModel":
            del operation["responses"]["200"]
        case "getRoot" | "getHealth":
            success["content"] = _either_content(name)
        case _:
            if name in ANSWERS:
                success["content"]["application/json"]["examples"] = ANSWERS[name]
    responses = {status: it for status, it in operation["responses"].items() if status < "400"}
    errors = OPERATION_ERRORS.get(name, ())
    operation["responses"] = responses | {
        status: {"$ref": f"#/components/responses/{status}"} for status in errors
    }


def _complete_parameters(operation: Json) -> None:
    if query := QUERIES.get(operation["operationId"]):
        operation["parameters"] = _query(query)
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])


def _either_content(operation: str) -> Json:
    """Return what an operation answers whose answer depends on who asks; Litestar sees one kind."""
    if operation == "getRoot":
        texts = {"text/plain": "One line.", "text/html": "A page, for whoever accepts it."}
        return {kind: {"schema": {"type": "string", "description": text}} for kind, text in texts.items()}
    return {"application/json": {"schema": _any_of(["Health", "Status"])}}


def _form(*, leave_out: Iterable[str]) -> Json:
    """Return the multipart body: the text fields, and the recording."""
    struct = component_schemas()["TranscriptionFields"]
    properties: Json = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, opus, wav, webm or nearly "
            "any other container of sound or film, told by its bytes; name and type of the part do not "
            "matter.",
        }
    }
    for name, schema in struct["properties"].items():
        if name not in leave_out:
            properties[name] = _without_null(schema) | ({"examples": FIELDS[name]} if name in FIELDS else {})
    form = {"type": "object", "properties": properties, "required": ["file"]}
    audio = {
        "$ref": REF.format(name="InputAudio"),
        "description": "The recording, as OpenRouter takes it; up to 16 MiB. A larger one needs a form.",
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


def _sample_form(field: str, texts: Mapping[str, Json]) -> Json:
    """Return the multipart body with a recording; all its fields are required, but type."""
    file = {"type": "string", "format": "binary", "description": "The recording, told by its bytes."}
    form = {
        "type": "object",
        "properties": {field: file, **texts},
        "required": [field, *(name for name in texts if name != "type")],
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def _query(struct: str) -> list[Json]:
    """Return what stands behind the ``?``, one parameter for each field of a struct."""
    parameters = []
    for name, schema in component_schemas()[struct]["properties"].items():
        text = schema.pop("description")
        parameters.append({"name": name, "in": "query", "description": text, "schema": schema})
    return parameters


def _asr_text() -> Json:
    text = "In the format that `output` names; with `json` an object like `AsrJson`, as text too."
    return {"schema": {"type": "string", "description": text}, "examples": ASR_TEXTS}


def _without_null(schema: Json) -> Json:
    """Return a field's schema as forms and queries can write it: there, unset means absent."""
    made = dict(schema)
    offered = made.pop("anyOf", None) or made.pop("oneOf", [])  # msgspec's word, and Litestar's
    choices = [choice for choice in offered if choice != {"type": "null"}]
    return made | (choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})


def _transcript_content(examples: Json) -> Json:
    shapes = ["TranscriptionJson", "TranscriptionVerbose", "TranscriptionDiarized"]
    events = ["TextDelta", "DiarizedSegment", "TextDone"]
    return {
        "application/json": {"schema": _any_of(shapes), "examples": examples},
        "text/plain": {
            "schema": {"type": "string", "description": "With response_format text, srt or vtt."},
            "examples": SUBTITLES,
        },
        "text/event-stream": {"schema": _events(events, "With stream=true.")},
    }


def _speech_content() -> Json:
    audio = {"schema": {"type": "string", "format": "binary"}}
    events = _events(["SpeechDelta", "SpeechDone"], "With stream_format sse.")
    return dict.fromkeys(AUDIO_TYPES, audio) | {"text/event-stream": {"schema": events}}


def _events(names: list[str], when: str) -> Json:
    return _any_of(names) | {
        "description": f"{when} Each event is one line `data: ` with this as JSON, and a blank line; "
        "`data: [DONE]` ends them. An error on the way is an event with OpenAI's error object."
    }


def _any_of(names: list[str]) -> Json:
    return {"anyOf": [{"$ref": REF.format(name=name)} for name in names]}


def _error_response(status: str) -> Json:
    headers: Json = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
    if status in ("429", "503"):
        headers["retry-after"] = {
            "schema": {"type": "integer"},
            "required": True,
            "description": "Seconds.",
        }
    content = {"schema": {"$ref": REF.format(name="ErrorBody")}, "example": error_example(status)}
    return {"description": ERRORS[status], "headers": headers, "content": {"application/json": content}}

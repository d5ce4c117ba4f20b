"""The structs of the API as JSON schemas, by way of msgspec, with their fields' docstrings."""

import ast
import contextlib
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import msgspec

from speechhub.http.errors import ErrorBody
from speechhub.http.schemas import asr as asr_schemas
from speechhub.http.schemas import audio as schemas
from speechhub.http.schemas import elevenlabs as elevenlabs_schemas
from speechhub.http.schemas import health as health_schemas
from speechhub.http.schemas import models as model_schemas
from speechhub.http.schemas import realtime as realtime_schemas
from speechhub.http.schemas import story as story_schemas
from speechhub.http.schemas import voices as voice_schemas

REF: Final = "#/components/schemas/{name}"

REQUESTS: Final = (
    health_schemas.EngineWanted,
    health_schemas.EngineSwitch,
    health_schemas.EngineUnload,
    schemas.TranscriptionFields,
    schemas.ServerVad,
    schemas.InputAudio,
    schemas.CreateSpeech,
    schemas.VoiceRef,
    schemas.EmotionFields,
    schemas.EmotionVector,
    voice_schemas.RenameVoiceConsent,
    asr_schemas.AsrQuery,
    elevenlabs_schemas.ElevenLabsSpeech,
    elevenlabs_schemas.ElevenLabsVoiceSettings,
    asr_schemas.DetectionQuery,
    realtime_schemas.ExpiresAfter,
    realtime_schemas.CreateClientSecret,
    realtime_schemas.TranscriptionSessionFields,
)
"""Structs that clients write: here a field with a default may be left out; in answers all are present."""

EXTENSIONS: Final[Mapping[type, tuple[str, ...]]] = {
    schemas.CreateSpeech: ("emotion",),
    voice_schemas.VoiceObject: ("consent", "duration_s", "aliases", "warnings"),
    model_schemas.Model: (
        "task",
        "alias_of",
        "languages",
        "device",
        "device_note",
        "state",
        "voices",
        "capabilities",
    ),
}
"""speechhub's own fields among OpenAI's."""

NAMES: Final = {"VoiceObject": "Voice"}
"""Class → its name in the document, which clients' generators see, where the engine API has that name."""
_REFS: Final = {REF.format(name=name): REF.format(name=other) for name, other in NAMES.items()}


def renamed(document: Any) -> Any:
    """Return a document in which classes have the names that clients know."""
    match document:
        case dict():
            return {NAMES.get(name, name): renamed(part) for name, part in document.items()}
        case list():
            return list(map(renamed, document))
        case str():
            return _REFS.get(document) or NAMES.get(document, document)
        case _:
            return document


def component_schemas() -> dict[str, Any]:
    """Return the JSON schema of every struct that goes over the wire, by name."""
    modules = (
        schemas,
        model_schemas,
        voice_schemas,
        health_schemas,
        story_schemas,
        asr_schemas,
        realtime_schemas,
        elevenlabs_schemas,
    )
    named = [it for module in modules for it in vars(module).values()]
    structs = [it for it in named if isinstance(it, type) and issubclass(it, msgspec.Struct)]
    structs.append(ErrorBody)
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    for struct in structs:
        schema = components[struct.__name__]
        for field, text in field_docs(struct).items():
            own = " Not in OpenAI's API." if field in EXTENSIONS.get(struct, ()) else ""
            schema["properties"][field]["description"] = text + own
        if struct not in REQUESTS:
            sometimes = {f.encode_name for f in msgspec.structs.fields(struct) if f.default is msgspec.UNSET}
            schema["required"] = [name for name in schema["properties"] if name not in sometimes]
        for field in schema["properties"].values():
            # A request's description says what unset means; in an answer the field is always present.
            if struct not in REQUESTS or field.get("default", ...) in (None, ()):
                field.pop("default", None)
    return dict(sorted(components.items()))


def field_docs(struct: type) -> dict[str, str]:
    """Return the docstrings under a class's fields, which Python forgets; none if there is no source."""
    docs = field_docs(struct.__base__) if struct.__base__ not in (None, msgspec.Struct) else {}
    with contextlib.suppress(OSError):
        tree = ast.parse(textwrap.dedent(inspect.getsource(struct)))
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, below in pairwise(body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = inspect.cleandoc(text).replace("``", "`")
    return docs

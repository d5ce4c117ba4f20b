"""The OpenAPI document: what Litestar finds in the handlers, completed with what their `Described` say.

Litestar writes paths, parameters and summaries; the shapes come from the structs in ``http/schemas``, by way
of `component_schemas`. The errors, and bodies and answers that depend on the request, are added here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import OpenAPI

from speechhub import __version__
from speechhub.http.facts import FACTS, PLAIN, RouteFacts
from speechhub.http.openapi.content import query_parameters, without_null
from speechhub.http.openapi.described import DESCRIBED, ELEVENLABS, OPENAI, OWN, Described, Json
from speechhub.http.openapi.examples import error_example
from speechhub.http.openapi.shapes import REF, component_schemas, renamed

DESCRIPTION: Final = """\
A self-hosted speech server that speaks OpenAI's audio API.

* Every path under `/v1` also answers without `/v1`, and under `/openai/v1`; \
`/openai/deployments/{deployment}/audio/…` takes the model from the path, as Azure's clients expect.
* Fields that are not described here are ignored.
* Arrays in forms are repeated parts, named `field[]` or `field`; empty ones and the text `null` are unset.
* Every response has `x-request-id`. Every error has OpenAI's error object, \
or ElevenLabs' on the routes of its API.
* `x-request-timeout` on a request for speech or a transcript says how many seconds the client will wait.
* Where the server has no API keys, requests need none, and any key is accepted.
"""

ERRORS: Final[Mapping[str, str]] = {
    "400": "A field is invalid, or the audio cannot be used; `param` names the field.",
    "401": "The server requires an API key, and the request has none, or an invalid one.",
    "403": "This operation is not allowed for API clients.",
    "404": "The model, voice, consent or replica does not exist.",
    "408": "The request body stopped arriving.",
    "409": "The request conflicts with an existing voice or consent.",
    "413": "The request body is too large.",
    "415": "The body is not multipart/form-data, or JSON where that is accepted too.",
    "429": "The caller has reached its rate limit; `retry-after` says when to try again.",
    "500": "The engine failed. SDKs do not retry the request.",
    "503": "The model is temporarily unavailable, or the disk is full; `retry-after` says when to try again.",
}
"""Status → what it means; each is a response component."""


def openapi_config() -> OpenAPIConfig:
    """Return how the description is made and served: as JSON and YAML, without pages from elsewhere."""
    operations = _Operations()
    return _Config(
        operations=operations,
        title="speechhub",
        version=__version__,
        description=DESCRIPTION,
        use_handler_docstrings=True,
        operation_id_creator=operations.name,
        render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],
    )


class _Operations:
    """The operations of the document; each has a name before it is completed."""

    def __init__(self) -> None:
        self._opts: dict[str, Mapping[str, Any]] = {}

    def name(self, handler: HTTPRouteHandler, _method: object, _path: Sequence[object]) -> str:
        """Name an operation as its handler, as OpenAI would: ``create_speech`` is ``createSpeech``."""
        first, *rest = handler.handler_name.split("_")
        name = first + "".join(word.title() for word in rest)
        self._opts[name] = handler.opt
        return name

    def facts(self, name: str) -> RouteFacts:
        facts: RouteFacts = self._opts[name].get(FACTS, PLAIN)
        return facts

    def described(self, name: str) -> Described:
        described: Described = self._opts[name].get(DESCRIBED, PLAINLY)
        return described


PLAINLY: Final = Described()


@dataclass
class _Config(OpenAPIConfig):
    """Makes a document that completes itself."""

    operations: _Operations = field(default_factory=_Operations)

    def to_openapi_schema(self) -> OpenAPI:
        plain = super().to_openapi_schema()
        found = {field.name: getattr(plain, field.name) for field in fields(plain)}
        return _Document(**found, operations=self.operations)


@dataclass
class _Document(OpenAPI):
    """What Litestar fills in and then turns into a dictionary, once."""

    operations: _Operations = field(default_factory=_Operations)

    @property
    def _exclude_fields(self) -> set[str]:
        return {"operations"}

    def to_schema(self) -> Json:
        document = super().to_schema()
        document["tags"] = [{"name": OPENAI}, {"name": ELEVENLABS}, {"name": OWN}]
        document["security"] = [{}, {"bearer": []}, {"apiKey": []}]
        document["components"] = {
            "schemas": component_schemas(),
            "responses": {status: _error_response(status) for status in ERRORS}
            | {f"ElevenLabs{status}": _elevenlabs_response(status) for status in ERRORS},
            "headers": {
                "RequestId": {
                    "description": "The id of the request.",
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
                name = operation["operationId"]
                _complete(operation, self.operations.facts(name), self.operations.described(name))
        return renamed(document)  # type: ignore[no-any-return]  # an object, as it was


def _complete(operation: Json, facts: RouteFacts, described: Described) -> None:
    """Add to an operation what its handler's signature does not say."""
    operation["description"] = operation["description"].replace("``", "`")
    if facts.is_open:
        operation["security"] = []
    if described.form is not None:
        operation["requestBody"] = described.form()
    if described.requests:
        operation["requestBody"]["content"]["application/json"]["examples"] = described.requests
    if described.query is not None:
        operation["parameters"] = query_parameters(described.query)
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = without_null(parameter["schema"])
    responses = {"200": _success(operation["responses"]["200"], described)} if described.succeeds else {}
    operation["responses"] = responses | {
        status: {"$ref": f"#/components/responses/{described.errors_of}{status}"}
        for status in described.errors
    }


def _success(found: Json, described: Described) -> Json:
    """Return the answer that was asked for, from what Litestar *found*."""
    content = found.get("content", {}) if described.content is None else described.content()
    if described.answers:
        content["application/json"]["examples"] = described.answers
    headers = {"x-request-id": {"$ref": "#/components/headers/RequestId"}, **described.headers}
    made = found | {"description": "The request succeeded.", "headers": headers}
    return made | {"content": content} if content else made


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


def _elevenlabs_response(status: str) -> Json:
    """Return an error as ElevenLabs' clients read it, or OpenAI's, where no route was reached."""
    made = _error_response(status)
    shapes = [{"$ref": REF.format(name=name)} for name in ("ElevenLabsError", "ErrorBody")]
    return made | {"content": {"application/json": {"schema": {"anyOf": shapes}}}}

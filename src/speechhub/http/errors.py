"""Errors → OpenAI's error object, with its status; Litestar's exception handlers."""

import math
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import Scope, Send

from speechhub import errors
from speechhub.errors.excerpt import MAX_MESSAGE_CHARS, excerpt
from speechhub.http.choices import spelled
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.facts import BODY_HINT, FORM_OVERHEAD_BYTES, WEBSOCKET
from speechhub.http.json_text import decode_json, twice_encoded
from speechhub.http.multipart import UnsupportedMediaTypeError
from speechhub.http.near import UnknownSocketError, UnknownVersionError, advice, entered_twice
from speechhub.http.refusal import refusal
from speechhub.services import statuses
from speechhub.services.system_refusals import system_refusal
from speechhub.settings.expected import expected

log = structlog.get_logger()

STATUS: Final = {
    **statuses.STATUS,
    UnsupportedMediaTypeError: 415,
    UnknownVersionError: 404,
    UnknownSocketError: 404,
}
"""The table, with HTTP's own errors."""

TYPES: Final = {429: "requests", 413: "server_error"}
"""OpenAI's `type` where it is not the usual one; 413 is OpenAI's own oddity."""

NEVER_RETRY: Final = (
    errors.ModelFilesError,
    errors.EngineError,
    errors.VoiceDamagedError,
    errors.VoiceExistsError,
    errors.ConsentInUseError,
)
"""Errors that will occur again: SDKs would repeat a 5xx and a 409 twice on their own."""


BODY: Final = "data"
"""Name of the handlers' argument that is a JSON body, which the request's context keeps."""

FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
"""Types of bodies that are not JSON. curl sends the first with any body, so the type alone is no proof."""


class BodyKeepingRequest(Request[None, None, State]):
    """A request that keeps its JSON body, for the error message if it does not fit the handler."""

    async def json(self) -> Any:
        """Return the body, read as JSON; it is read once.

        Raises:
            InvalidValueError: It is not JSON.
        """
        context = context_of(self)
        if context.body is msgspec.UNSET:
            body = await self.body() or b"null"
            try:
                value = decode_json(body)
            except errors.InvalidValueError as error:
                if (sent := self.content_type[0]) in FORMS and not body.lstrip().startswith((b"{", b"[")):
                    raise errors.InvalidValueError(
                        f"The request body is a form ({sent}), but this route reads JSON: send an object, "
                        "with the header Content-Type: application/json."
                    ) from error
                raise
            kind = self.route_handler.parsed_fn_signature.parameters[BODY].annotation
            context.body = spelled(value, kind)
        return context.body


class ErrorObject(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    message: str
    type: str
    """``invalid_request_error`` or ``server_error``, mostly."""
    param: str | None = None
    """Name of the field at fault."""
    code: str | None = None
    """Stable identifier for programs."""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error."""

    error: ErrorObject


def status_of(error: errors.SpeechhubError) -> int:
    """Return the HTTP status of *error*."""
    return statuses.status_of(error, STATUS)


def error_object(error: errors.SpeechhubError, scope: Scope | None = None) -> ErrorObject:
    """Return *error* as OpenAI would put it, in an answer to the request of *scope*.

    Only operators see paths and addresses of the server's machine; for other clients, the full message is in
    the request's line in the log.
    """
    message, context = error.message, context_of(scope) if scope else None
    if error.public != message and not (context and context.operator):
        if context:
            context.log["reason"] = message
        message = error.public
    return _object(status_of(error), message, param=getattr(error, "param", None), code=error.code)


def internal_error() -> ErrorObject:
    """Return the error for a bug; its details are in the log."""
    return _object(statuses.BUG, statuses.BUG_MESSAGE)


def _object(status: int, message: str, *, param: str | None = None, code: str | None = None) -> ErrorObject:
    kind = TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")  # noqa: PLR2004
    return ErrorObject(
        message=excerpt(message, MAX_MESSAGE_CHARS),
        type=kind,
        param=None if param is None else excerpt(param),
        code=code,
    )


def _respond(status: int, error: ErrorObject, headers: dict[str, str] | None = None) -> Response[ErrorBody]:
    return Response(
        ErrorBody(error=error), status_code=status, headers=headers, media_type="application/json"
    )


def headers_of(error: errors.SpeechhubError) -> dict[str, str]:
    """Return what the answer to *error* says besides its body."""
    match error:
        case errors.UnavailableError():
            wait_s = max(1, math.ceil(error.retry_after_s))
            return {"retry-after": str(wait_s), "retry-after-ms": str(wait_s * 1000)}
        case errors.OperatorKeyRequiredError():
            return {}
        case errors.InvalidApiKeyError():
            return {"www-authenticate": 'Bearer realm="speechhub", error="invalid_token"'}
        case errors.AuthenticationError():
            return {"www-authenticate": 'Bearer realm="speechhub"'}
        case _:
            return {"x-should-retry": "false"} if isinstance(error, NEVER_RETRY) else {}


async def send_error(error: errors.SpeechhubError, scope: Scope, send: Send) -> None:
    """Answer an error outside of Litestar; also a WebSocket's handshake, where the server can.

    Without the extension, a client of a WebSocket sees 403, whatever was wrong.
    """
    context_of(scope).error = type(error).__name__
    prefix = ""
    if scope["type"] != ScopeType.HTTP:
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": error.public})
            return
        prefix = "websocket."
    body = msgspec.json.encode(ErrorBody(error=error_object(error, scope)))
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **headers_of(error),
    }
    start: Any = {
        "type": f"{prefix}http.response.start",
        "status": status_of(error),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    rest: Any = {"type": f"{prefix}http.response.body", "body": body, "more_body": False}
    await send(start)
    await send(rest)


def on_speechhub_error(request: HttpRequest, error: errors.SpeechhubError) -> Response[ErrorBody]:
    """Answer an error that was raised on purpose."""
    status = status_of(error)
    answer = error_object(error, request.scope)
    if isinstance(error, errors.ModelNotFoundError) and context_of(request).deployment:
        answer = msgspec.structs.replace(answer, code="DeploymentNotFound")  # as Azure calls it
    elif status == 404 and entered_twice(context_of(request).path):  # noqa: PLR2004  # /v1/models/models names a model
        answer = msgspec.structs.replace(answer, message=f"{answer.message} {_advice(request)}")
    context_of(request).error = type(error).__name__
    return _respond(status, answer, headers_of(error))


def on_http_exception(request: HttpRequest, error: HTTPException) -> Response[ErrorBody]:
    """Answer what Litestar itself refused: routes, methods, bodies."""
    status, message = error.status_code, error.detail
    context_of(request).error = type(error).__name__
    if isinstance(error, NotFoundException):
        message = (
            f"Invalid URL ({excerpt(request.method)} {excerpt(context_of(request).path)}). {_advice(request)}"
        )
    elif isinstance(error, MethodNotAllowedException):
        message = f"Not allowed to {excerpt(request.method)} on {excerpt(context_of(request).path)}"
        message += f". {_advice(request)}" if entered_twice(context_of(request).path) else _methods(error)
    elif status == 413:  # noqa: PLR2004
        return on_speechhub_error(request, _too_large(request))
    elif isinstance(error.extra, list) and error.extra:
        return on_speechhub_error(request, _misfit(request, str(error.extra[0].get("key"))))
    elif status == 400:  # noqa: PLR2004
        message = f"The request body cannot be read: {message}."
    code = "invalid_value" if status == 400 else None  # noqa: PLR2004
    return _respond(status, _object(status, message, code=code), error.headers)


def _methods(error: HTTPException) -> str:
    """Return the end of a sentence that names the methods which a route takes."""
    allowed = (error.headers or {}).get("allow", "").split(", ")
    if WEBSOCKET.lower() in allowed:
        return (
            ": it is a WebSocket, and the request asks for none. Connect with ws:// or wss://, and have a "
            "proxy in between pass on the headers Upgrade and Connection."
        )
    methods = sorted(name for name in allowed if name not in ("OPTIONS", ""))
    return f": send {' or '.join(methods)}." if methods else "."


def _advice(request: HttpRequest) -> str:
    return advice(context_of(request).path, request.headers.get("host", "127.0.0.1:8000"))


def _too_large(request: HttpRequest) -> errors.UploadTooLargeError:
    """Return the error for a body that is larger than its route takes, by its announced length or its own."""
    limit_bytes = request.route_handler.resolve_request_max_body_size() or 0
    if request.content_type[0] == "multipart/form-data":
        return errors.UploadTooLargeError(limit_bytes - FORM_OVERHEAD_BYTES)
    return errors.BodyTooLargeError(limit_bytes, hint=request.route_handler.opt.get(BODY_HINT, ""))


def _misfit(request: HttpRequest, key: str) -> errors.RequestError:
    """Return the error for a query, or a body, that does not fit the type of the handler's argument."""
    arguments = request.route_handler.parsed_fn_signature.parameters
    if key in arguments and key != BODY:
        return refusal(key, request.query_params.get(key), arguments[key].annotation, strict=False)
    kind, body = arguments[BODY].annotation, context_of(request).body
    if body is msgspec.UNSET:
        return errors.InvalidValueError(f"The request has no body; send {expected(kind)}, as JSON.")
    if hint := twice_encoded(body):
        return errors.InvalidValueError(f"The request body must be {expected(kind)}.{hint}")
    return refusal("", body, kind, strict=False)


def on_os_error(request: HttpRequest, error: OSError) -> Response[ErrorBody]:
    """Answer what the system refused: a full disk concerns the operator, most of the rest is a bug."""
    refused = system_refusal(error, path=request.url.path)
    return on_exception(request, error) if refused is None else on_speechhub_error(request, refused)


def on_exception(request: HttpRequest, error: Exception) -> Response[ErrorBody]:
    """Answer a bug: the client learns nothing of it, and the log has all of it."""
    log.error("unexpected error", path=request.url.path, exc_info=error)
    context_of(request).error = type(error).__name__
    return _respond(500, internal_error(), {"x-should-retry": "false"})


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    errors.SpeechhubError: on_speechhub_error,
    HTTPException: on_http_exception,
    OSError: on_os_error,
    Exception: on_exception,
}
"""For Litestar's `exception_handlers`."""

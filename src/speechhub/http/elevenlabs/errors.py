"""Errors in ElevenLabs' shape: what OpenAI's clients would get, as ElevenLabs' read it."""

from collections.abc import Callable
from typing import Any, Final

from litestar import Response
from msgspec import UNSET

from speechhub.http.context import HttpRequest
from speechhub.http.errors import HANDLERS, ErrorBody, ErrorObject
from speechhub.http.schemas.elevenlabs import ElevenLabsError, ElevenLabsProblem

VOICE_NOT_FOUND: Final = "voice_not_found"
PARAMS: Final = {
    "input": "text",
    "voice": "voice_id",
    "model": "model_id",
    "language": "language_code",
    "speed": "voice_settings.speed",
    "sample_rate": "output_format",
}
"""OpenAI's name of a field → ElevenLabs'."""


def problem(error: ErrorObject) -> ElevenLabsProblem:
    """Return OpenAI's error object as ElevenLabs would put it."""
    status = VOICE_NOT_FOUND if error.param == "voice" else error.code or error.type
    param = PARAMS.get(error.param, error.param) if error.param else UNSET
    return ElevenLabsProblem(status=status, message=error.message, param=param)


def _in_their_shape(handler: Callable[[HttpRequest, Any], Response[ErrorBody]]) -> Any:
    def handle(request: HttpRequest, error: Any) -> Response[ElevenLabsError]:
        answer = handler(request, error)
        return Response(
            ElevenLabsError(detail=problem(answer.content.error)),
            status_code=answer.status_code,
            headers=answer.headers,
            media_type="application/json",
        )

    return handle


SHAPED_HANDLERS: Final[dict[int | type[Exception], Any]] = {
    kind: _in_their_shape(handler) for kind, handler in HANDLERS.items()
}
"""For a controller's `exception_handlers`."""

"""Recordings as base64 in JSON, as OpenRouter takes them and Open WebUI can send them.

Source: OpenRouter's API reference, createAudioTranscriptions.
"""

import base64
import io
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import msgspec
from litestar import Request
from litestar.datastructures import State

from speechhub.errors import InvalidValueError, MissingValueError, RequestError, UploadTooLargeError
from speechhub.http.forms import FIELDS, checked
from speechhub.http.json_text import decode_json
from speechhub.http.refusal import refusal
from speechhub.http.schemas import InputAudio, TranscriptionFields
from speechhub.pools import Pool

LIMIT_BYTES: Final = 16 * 1024 * 1024
"""Largest recording; a larger one belongs into a form, which goes to disk while it arrives."""
OVERHEAD_BYTES: Final = 1024 * 1024
"""What line ends in the base64, and the other fields, may take."""
STEP_CHARS: Final = 4 * 64 * 1024
"""How much base64 is decoded at once; a few milliseconds' work."""


class JsonUploadTooLargeError(UploadTooLargeError):
    """The recording is larger than one in JSON may be."""

    def __init__(self, limit_bytes: int) -> None:
        RequestError.__init__(
            self,
            f"A recording in JSON may have {limit_bytes} bytes. Send a larger one as a form, "
            "multipart/form-data, with the recording in the field 'file'.",
            param="input_audio",
        )


@dataclass(slots=True, kw_only=True)
class JsonUpload:
    """What a JSON body asks for."""

    fields: TranscriptionFields
    file: BinaryIO
    unknown: list[str] = field(default_factory=list)
    """Names of fields beyond those of transcriptions."""


async def read_json(request: Request[None, None, State], *, limit_bytes: int, pool: Pool) -> JsonUpload:
    """Read the body as JSON with a recording in it.

    Args:
        request: Its body must be unread.
        limit_bytes: Largest recording that the server takes at all.
        pool: Whose threads decode it.

    Raises:
        UploadTooLargeError: The recording, or the body, is larger; what is too much of it is not even read.
        RequestError: The body is not what it should be.
    """
    limit_bytes = min(limit_bytes, LIMIT_BYTES)
    values = _values(await _body(request, limit_bytes))
    raw = values.pop("input_audio", None)
    if raw is None:
        raise MissingValueError(
            "input_audio", 'Send the recording as {"data": base64, "format": "mp3"}, or send a form.'
        )
    audio = _read(raw, InputAudio, "input_audio")
    data = await pool.run(_bytes, audio.data)
    if len(data) > limit_bytes:
        raise JsonUploadTooLargeError(limit_bytes)
    known = {name: _read(raw, FIELDS[name].type, name) for name, raw in values.items() if name in FIELDS}
    return JsonUpload(
        fields=checked(TranscriptionFields(**known)),
        file=io.BytesIO(data),
        unknown=[name for name in values if name not in FIELDS],
    )


async def _body(request: Request[None, None, State], limit_bytes: int) -> bytearray:
    body, longest = bytearray(), (limit_bytes + 2) // 3 * 4 + OVERHEAD_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > longest:
        raise JsonUploadTooLargeError(limit_bytes)
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            raise JsonUploadTooLargeError(limit_bytes)
    return body


def _values(body: bytearray) -> dict[str, msgspec.Raw]:
    """Return what the body says, unread; null counts as absent."""
    try:
        values = decode_json(body, dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise InvalidValueError(f"The request body is not a JSON object: {error}.") from error
    return {name: raw for name, raw in values.items() if bytes(memoryview(raw)[:4]) != b"null"}


def _read(raw: msgspec.Raw, kind: Any, name: str) -> Any:
    try:
        return decode_json(raw, kind, what=name, param=name)
    except msgspec.ValidationError as error:
        value = decode_json(raw, what=name, param=name)
        raise refusal(name, value, kind, strict=True, param=name) from error


def _bytes(text: str) -> bytes:
    """Return the file in base64, bare or in a data URL, with or without line ends."""
    start = text.find(",") + 1 if text[:5].lower() == "data:" else 0
    payload = "".join(text[start:].split())
    try:
        # In steps, because each holds the interpreter's lock: others get their turn in between.
        return b"".join(
            base64.b64decode(payload[first : first + STEP_CHARS], validate=True)
            for first in range(0, len(payload), STEP_CHARS)
        )
    except ValueError as error:
        raise InvalidValueError(
            "input_audio.data must be a file in base64, or a data URL with one.", param="input_audio.data"
        ) from error

"""Recordings as base64 in JSON, as OpenRouter takes them and Open WebUI can send them.

Source: OpenRouter's API reference, createAudioTranscriptions.
"""

import base64
import tempfile
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

import msgspec

from speechhub.errors import InvalidValueError, MissingValueError, RequestError, UploadTooLargeError
from speechhub.http.choices import spelled
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.edges.bodies import JSON_WEIGHT
from speechhub.http.forms import FIELDS, checked
from speechhub.http.json_text import decode_json, twice_encoded
from speechhub.http.refusal import refusal
from speechhub.http.schemas.audio import InputAudio, TranscriptionFields
from speechhub.pools import Pool
from speechhub.services.spool import SPOOL_BYTES

LIMIT_BYTES: Final = 16 * 1024 * 1024
"""Largest recording; a larger one belongs in a form, which goes to disk while it arrives."""
OVERHEAD_BYTES: Final = 1024 * 1024
"""What line ends in the base64, and the other fields, may take."""
STEP_CHARS: Final = 4 * 64 * 1024
"""How much base64 is decoded at once; takes a few milliseconds."""


class JsonUploadTooLargeError(UploadTooLargeError):
    """The recording is larger than one in JSON may be."""

    def __init__(self, limit_bytes: int) -> None:
        RequestError.__init__(
            self,
            f"A recording in JSON may have at most {limit_bytes} bytes. Send a larger one as a form, "
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


async def read_json(request: HttpRequest, *, limit_bytes: int, pool: Pool) -> JsonUpload:
    """Read the body as JSON with a recording in it.

    Args:
        request: Its body must be unread.
        limit_bytes: Largest recording that the server takes at all.
        pool: Whose threads decode it.

    Raises:
        UploadTooLargeError: The recording, or the body, is larger; the rest is not read.
        RequestError: The body is not what it should be.
    """
    limit_bytes, holding = min(limit_bytes, LIMIT_BYTES), context_of(request).holding
    body = await _body(request, limit_bytes)
    values, body_bytes = _values(body), len(body)
    raw = values.pop("input_audio", None)
    if raw is None:
        raise MissingValueError(
            "input_audio", 'Send the recording as {"data": base64, "format": "mp3"}, or send a form.'
        )
    audio = _read(raw, InputAudio, "input_audio")
    known = {name: _read(raw, FIELDS[name].type, name) for name, raw in values.items() if name in FIELDS}
    fields = checked(TranscriptionFields(**known))
    unknown = [name for name in values if name not in FIELDS]
    del raw, values, body  # or the body would stay until the answer
    size_bytes = len(audio.data) * 3 // 4
    holding.take("memory" if size_bytes <= SPOOL_BYTES else "disk", size_bytes)
    spooled = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # closed with the request
    file = cast("BinaryIO", spooled)
    context_of(request).exit_stack.callback(file.close)
    await pool.run(_decode, audio.data, file, limit_bytes)
    holding.free("memory", JSON_WEIGHT * body_bytes)
    return JsonUpload(fields=fields, file=file, unknown=unknown)


async def _body(request: HttpRequest, limit_bytes: int) -> bytearray:
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
        raise InvalidValueError(
            f"The request body is not a JSON object: {error}.{twice_encoded(decode_json(body))}"
        ) from error
    return {name: raw for name, raw in values.items() if bytes(memoryview(raw)[:4]) != b"null"}


def _read(raw: msgspec.Raw, kind: Any, name: str) -> Any:
    try:
        return decode_json(raw, kind, what=name, param=name)
    except msgspec.ValidationError:
        value = spelled(decode_json(raw, what=name, param=name), kind)
        try:
            return msgspec.convert(value, kind, strict=False)  # as requests for speech are read
        except msgspec.ValidationError as error:
            raise refusal(name, value, kind, strict=False, param=name) from error


def _decode(text: str, file: BinaryIO, limit_bytes: int) -> None:
    """Write the file that *text* has in base64, bare or in a data URL, with or without line ends.

    It works in steps, because each holds the interpreter's lock, and needs memory: other requests run in
    between.
    """
    start = text.find(",") + 1 if text[:5].lower() == "data:" else 0
    left, size_bytes = "", 0
    try:
        for first in range(start, len(text), STEP_CHARS):
            payload = left + "".join(text[first : first + STEP_CHARS].split())
            whole = len(payload) - len(payload) % 4
            payload, left = payload[:whole], payload[whole:]
            size_bytes += file.write(base64.b64decode(payload, validate=True))
            if size_bytes > limit_bytes:
                raise JsonUploadTooLargeError(limit_bytes)
        file.write(base64.b64decode(left, validate=True))
        file.seek(0)
    except ValueError as error:
        raise InvalidValueError(
            "input_audio.data must be a file in base64, or a data URL with one.", param="input_audio.data"
        ) from error

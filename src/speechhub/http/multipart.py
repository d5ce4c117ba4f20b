"""Reads a multipart form while it arrives, as every SDK writes it.

Litestar's own form parsing holds the whole body in memory and fails on a file part without a filename, as
the Java and Ruby SDKs send it; here the field's name decides what is the file, and nothing else does.
"""

import contextlib
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from litestar import Request
from litestar.datastructures import State
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from speechhub.errors import InvalidValueError, RequestError, UploadTooLargeError
from speechhub.errors.encoding import fault_of
from speechhub.errors.excerpt import quoted
from speechhub.http.spool import Spool
from speechhub.services.account import Holding

MAX_FIELD_BYTES: Final = 64 * 1024
MAX_PARTS: Final = 256
_BYTES: Final = "latin-1"
"""Has a character for each byte."""
_LONGEST_PATH: Final = 255
"""A part in place of the file that is no longer, in bytes, may be a path that curl was to read."""


class UnsupportedMediaTypeError(RequestError):
    """The body is not what the route reads."""


@dataclass(slots=True, kw_only=True)
class Form:
    """The parts of a form; close `file` after use."""

    file: BinaryIO | None = None
    """Contents of the part that is the file, at their start; None if there was no such part."""
    filename: str | None = None
    """What the client calls the file; None if it does not say."""
    fields: dict[str, list[str]] = field(default_factory=dict)
    """Text parts by name, ``[]`` behind a name removed; empty values and the text ``null`` left out."""

    def text(self, name: str) -> str | None:
        """Return the last value of a field, or None."""
        values = self.fields.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a field."""
        return tuple(self.fields.get(name, ()))


async def read_form(
    request: Request[None, None, State], *, limit_bytes: int, file_field: str = "file"
) -> Form:
    """Read the body as a form.

    Args:
        request: Its body must be unread.
        limit_bytes: Largest file.
        file_field: Name of the part that is the file.

    Raises:
        UploadTooLargeError: The file is larger, or is said to be.
        RequestError: The body is not a well-formed multipart form.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind.lower() != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedMediaTypeError(
            f"Send the recording as multipart/form-data, with the audio in the field {file_field!r}. "
            f"Example: curl -F {file_field}=@speech.mp3 …"
        )
    reader = _Reader(limit_bytes, file_field, request.scope["state"]["holding"])
    try:
        # Names are bytes until `_Reader` reads them: what a file is called decides nothing.
        parser = PushMultipartParser(options["boundary"], max_segment_count=MAX_PARTS, header_charset=_BYTES)
        async for chunk in request.stream():
            for event in parser.parse(chunk) if chunk else ():
                reader.take(event)
        parser.close()
    except MultipartError as error:
        reader.abandon()
        raise InvalidValueError(f"The multipart body is broken: {error}.") from error
    except BaseException:
        reader.abandon()
        raise
    return reader.form


class _Reader:
    """Sorts the parser's events into a form."""

    def __init__(self, limit_bytes: int, file_field: str, holding: Holding) -> None:
        self.form = Form()
        self._holding = holding
        self._spool: Spool | None = None
        self._limit_bytes = limit_bytes
        self._file_field = file_field
        self._name = ""
        self._text = bytearray()

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._name = _field_name(event.name)
            self._text.clear()
            if self._name == self._file_field:
                self._begin_file()
                self.form.filename = _file_name(event.filename) or None
        elif event is None:
            self._end_part()
        elif self._name == self._file_field and self._spool is not None:
            if self._spool.size_bytes + len(event) > self._limit_bytes:
                raise UploadTooLargeError(self._limit_bytes, param=self._file_field)
            self._spool.write(event)
        else:
            self._holding.take("memory", len(event))
            self._text += event
            if len(self._text) > MAX_FIELD_BYTES:
                raise InvalidValueError(f"Field {quoted(self._name)} is too long.", param=self._name)

    def abandon(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def _begin_file(self) -> None:
        self.abandon()  # a second file replaces the first
        self._spool = Spool(self._holding)
        self.form.file = self._spool.file

    def _end_part(self) -> None:
        if self._name == self._file_field and self._spool is not None and self.form.file is not None:
            self.form.file.seek(0)
            if self.form.filename is None and 0 < self._spool.size_bytes <= _LONGEST_PATH:
                self._refuse_a_path(self.form.file.read())
                self.form.file.seek(0)
            return
        if fault := fault_of(self._text):
            raise InvalidValueError(f"Field {quoted(self._name)} {fault}.", param=self._name)
        text = self._text.decode()
        if "\0" in text:
            raise InvalidValueError(
                f"Field {quoted(self._name)} has the character U+0000 at position {text.index(chr(0))}, "
                "which is no part of a text.",
                param=self._name,
            )
        if text not in ("", "null"):
            self.form.fields.setdefault(self._name.removesuffix("[]"), []).append(text)

    def _refuse_a_path(self, content: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            if content.decode().isprintable():
                raise InvalidValueError(
                    f"The field {self._file_field!r} is text, and not a recording. With curl, put an @ "
                    f"before the file's path: -F {self._file_field}=@speech.mp3",
                    param=self._file_field,
                )


def _field_name(name: str) -> str:
    """Return a field's name, which came as bytes.

    Raises:
        InvalidValueError: It is no text.
    """
    data = name.encode(_BYTES)
    if fault := fault_of(data):
        raise InvalidValueError(f"The name of a field of the form {fault}.")
    return data.decode()


def _file_name(name: str | None) -> str | None:
    """Return a file's name, which came as bytes, or already decoded by RFC 5987; it decides nothing."""
    try:
        return name and name.encode(_BYTES).decode()
    except UnicodeError:
        return name

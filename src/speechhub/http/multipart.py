"""Multipart forms as SDKs write them, read while they arrive.

Litestar's own form parsing holds the whole body in memory and fails on a file part without a filename, as
the Java and Ruby SDKs send it; here only the field's name decides which part is the file.
"""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from speechhub.errors import InvalidValueError, MissingValueError, RequestError, UploadTooLargeError
from speechhub.errors.encoding import fault_of
from speechhub.errors.excerpt import quoted
from speechhub.http.context import HttpRequest, context_of
from speechhub.services.account import Holding
from speechhub.services.spool import Spool

MAX_FIELD_BYTES: Final = 64 * 1024
MAX_PARTS: Final = 256
_BYTES: Final = "latin-1"
"""An encoding with one character for each byte."""
_LONGEST_PATH: Final = 255
"""Longest part, in bytes, that may be a path which curl was meant to read and sent as text instead."""


class UnsupportedMediaTypeError(RequestError):
    """The route does not read bodies of this type."""


@dataclass(slots=True, kw_only=True)
class Form:
    """The parts of a form; close `file` after use."""

    file: BinaryIO | None = None
    """Contents of the part that is the file, at their start; None if there was no such part."""
    filename: str | None = None
    """What the client calls the file; None if it does not say."""
    fields: dict[str, list[str]] = field(default_factory=dict)
    """Text parts by name, ``[]`` behind a name removed; empty values and the text ``null`` left out. A file
    in a part that is not wanted leaves only the name, without a value."""

    def text(self, name: str) -> str | None:
        """Return the last value of a field, or None."""
        values = self.fields.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a field."""
        return tuple(self.fields.get(name, ()))


async def read_form(
    request: HttpRequest,
    *,
    limit_bytes: int,
    file_field: str = "file",
    texts: Collection[str] = (),
) -> Form:
    """Read the body as a form.

    Args:
        request: Its body must be unread.
        limit_bytes: Largest file.
        file_field: Name of the part that is the file; with ``[]`` or ``[0]`` behind it, it is the same.
        texts: Names of the text fields that the route reads. A file in a part of any other name is dropped.

    Raises:
        UploadTooLargeError: The file is larger, or is said to be.
        MissingValueError: There is a file, in a part of another name.
        RequestError: The body is not a well-formed multipart form.
    """
    boundary = _boundary(request.headers.get("content-type", ""), file_field)
    reader = _Reader(limit_bytes, file_field, texts, context_of(request).holding)
    try:
        # Names are bytes until `_Reader` decodes them: a file's name decides nothing.
        parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS, header_charset=_BYTES)
        async for chunk in request.stream():
            for event in parser.parse(chunk) if chunk else ():
                reader.take(event)
        parser.close()
        reader.check()
    except MultipartError as error:
        reader.abandon()
        raise InvalidValueError(
            f"The multipart body is broken: {error}. Its parts must begin with the boundary that the header "
            "Content-Type names, and the last one end with it: let your HTTP library write both."
        ) from error
    except BaseException:
        reader.abandon()
        raise
    return reader.form


class _Reader:
    """Sorts the parser's events into a form."""

    def __init__(self, limit_bytes: int, file_field: str, texts: Collection[str], holding: Holding) -> None:
        self.form = Form()
        self._texts = texts
        self._strays: list[str] = []
        """Names of the fields that hold a file although the route reads no file there."""
        self._dropped = False
        """Whether the rest of the current part is discarded."""
        self._holding = holding
        self._spool: Spool | None = None
        self._limit_bytes = limit_bytes
        self._file_field = file_field
        self._name = ""
        self._text = bytearray()

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            name = _field_name(event.name)
            is_file = name in (self._file_field, f"{self._file_field}[]", f"{self._file_field}[0]")
            self._name = self._file_field if is_file else name
            self._text.clear()
            self._dropped = False
            if is_file:
                self._begin_file()
                self.form.filename = _file_name(event.filename) or None
            elif event.filename is not None and not self._is_wanted():
                self._strays.append(self._name)
        elif event is None:
            self._end_part()
        elif self._name == self._file_field and self._spool is not None:
            if self._spool.size_bytes + len(event) > self._limit_bytes:
                raise UploadTooLargeError(self._limit_bytes, param=self._file_field)
            self._spool.write(event)
        elif not self._dropped:
            self._holding.take("memory", len(event))
            self._text += event
            if len(self._text) > MAX_FIELD_BYTES and not self._drop():
                raise InvalidValueError(
                    f"Field {quoted(self._name)} is too long: a text of a form may have {MAX_FIELD_BYTES} "
                    f"bytes. A recording belongs in the field {self._file_field!r}.",
                    param=self._name,
                )

    def check(self) -> None:
        """Check, once there are no more parts, that the file is not in a part of another name.

        Raises:
            MissingValueError: It is.
        """
        if self.form.file is None and self._strays:
            raise MissingValueError(
                self._file_field,
                f"The recording belongs in the field {self._file_field!r}, but this form has a file in the "
                f"field {quoted(self._strays[0])}. With curl: -F {self._file_field}=@speech.mp3",
            )

    def abandon(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def _begin_file(self) -> None:
        if self._spool is not None and self._spool.size_bytes:
            raise InvalidValueError(
                f"The form has more than one file in the field {self._file_field!r}: send one recording in "
                "each request.",
                param=self._file_field,
            )
        self.abandon()  # what an empty field of a page's form sends
        self._spool = Spool(self._holding)
        self.form.file = self._spool.file

    def _end_part(self) -> None:
        if self._name == self._file_field and self._spool is not None and self.form.file is not None:
            self.form.file.seek(0)
            if self.form.filename is None and 0 < self._spool.size_bytes <= _LONGEST_PATH:
                self._refuse_a_path(self.form.file.read())
                self.form.file.seek(0)
            return
        if self._dropped:
            return
        if fault := fault_of(self._text):
            if self._drop():
                return
            raise InvalidValueError(f"Field {quoted(self._name)} {fault}.", param=self._name)
        text = self._text.decode()
        if "\0" in text:
            raise InvalidValueError(
                f"Field {quoted(self._name)} has the character U+0000 at position {text.index(chr(0))}, "
                "which is not allowed in text.",
                param=self._name,
            )
        if text not in ("", "null"):
            self.form.fields.setdefault(self._name.removesuffix("[]"), []).append(text)

    def _is_wanted(self) -> bool:
        return self._name.partition("[")[0] in self._texts

    def _drop(self) -> bool:
        """Discard the current part if it holds a file that is not wanted; return whether it does."""
        is_stray = self._name in self._strays
        if not is_stray and (self._is_wanted() or fault_of(self._text[:MAX_FIELD_BYTES]) is None):
            return False
        if not is_stray:
            self._strays.append(self._name)
        self._dropped = True
        self._text.clear()
        self.form.fields.setdefault(self._name, [])
        return True

    def _refuse_a_path(self, content: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            if content.decode().isprintable():
                raise InvalidValueError(
                    f"The field {self._file_field!r} is text, not a recording. With curl, put an @ "
                    f"before the file's path: -F {self._file_field}=@speech.mp3",
                    param=self._file_field,
                )


def _boundary(content_type: str, file_field: str) -> str:
    """Return what stands between the parts of a body of this type.

    Raises:
        UnsupportedMediaTypeError: It is not a form with files.
        InvalidValueError: It names no boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind.lower() == "multipart/form-data":
        if boundary := options.get("boundary"):
            return str(boundary)
        raise InvalidValueError(
            "The header Content-Type says multipart/form-data without a boundary, so the parts cannot be "
            "separated. Do not set this header yourself: your HTTP library writes it, with the boundary."
        )
    sent = quoted(kind)
    main = kind.lower().partition("/")[0]
    if main in ("audio", "video") or kind.lower() == "application/octet-stream":
        sent = f"The body is a bare recording ({sent}); it must be a form that holds one"
    elif kind.lower() == "application/x-www-form-urlencoded":
        sent = f"The body is a form without files ({sent}; curl sends it for -d)"
    else:
        sent = f"The body is {sent if kind else 'of no type'}"
    raise UnsupportedMediaTypeError(
        f"{sent}. Send the recording as multipart/form-data, with the audio in the field {file_field!r}. "
        f"Example: curl -F {file_field}=@speech.mp3 …"
    )


def _field_name(name: str) -> str:
    """Return a field's name, which came as bytes.

    Raises:
        InvalidValueError: It is not UTF-8.
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

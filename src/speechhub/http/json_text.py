"""JSON that a client wrote: whatever cannot be read is answered as the client's error."""

import re
from typing import Any, Final

import msgspec
import numpy as np

from speechhub.errors import InvalidValueError
from speechhub.errors.encoding import fault_of, without_mark

BODY: Final = "The request body"
MAX_DEPTH: Final = 100
"""How deep arrays and objects may be nested. Python's own limit differs between versions."""
MOST_TOKENS: Final = 10_000
"""Brackets, commas, colons and strings that are read to locate the field at fault; takes 5 ms."""

_ESCAPES: Final = re.compile(
    rb"""\\\\
    |\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
    |(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})
    |(?P<nul>\\u0000)
    """,
    re.VERBOSE,
)
"""An escaped backslash, a surrogate pair and, in named groups, what text must not have. Source: RFC 8259,
section 7."""
_NAME: Final = re.compile(rb"[A-Za-z_]\w{0,63}")
_PLACE: Final = re.compile(r"\(byte ([0-9]{1,18})\)")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_TOKEN: Final = re.compile(_STRING.pattern + rb"|[{}\[\],:]", re.DOTALL)
_BRACKETS: Final = b"[]{}"
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))


def decode_json(
    text: str | bytes | bytearray | msgspec.Raw,
    kind: Any = Any,
    *,
    what: str = BODY,
    param: str | None = None,
) -> Any:
    """Return what *text* says; all JSON of requests is read here.

    msgspec has an exception of its own for bad syntax alone; numbers beyond what it can hold end in those of
    Python. The mark of UTF-8 at the start, which JSON must not have and some programs write, is skipped.

    Args:
        text: One JSON value.
        kind: Type that it has; by default any.
        what: Name of the text, which begins the message of an error.
        param: Name of the field, for errors.

    Raises:
        msgspec.ValidationError: It is JSON, and does not fit *kind*, which is not ``Any``.
        InvalidValueError: It cannot be read.
    """
    if not isinstance(text, msgspec.Raw):  # what is raw came out of a text that was read here
        text = without_mark(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        _check_text(text, what, param)
        if _is_deep(text):
            raise _unreadable(what, f"arrays or objects are nested more than {MAX_DEPTH} deep", param)
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        if kind is not Any:
            raise
        raise _unreadable(what, str(error), param) from error  # a number that nothing holds
    except UnicodeError as error:  # a ValueError, like the next
        raise _unreadable(what, "text in it is not UTF-8", param) from error
    except (ValueError, OverflowError) as error:  # msgspec.DecodeError is the former
        raise _unreadable(what, f"{error}{_slip(memoryview(text), str(error))}", param) from error


def twice_encoded(value: object) -> str:
    """Return a sentence, with a blank before it, about a body that is JSON within a text; "" for others."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        return " It is JSON within a text of JSON: it was encoded twice. Send the object itself."
    return ""


def _check_text(text: bytes | bytearray, what: str, param: str | None) -> None:
    """Check that *text* is UTF-8 text: no other encoding, no half of a surrogate pair, no NUL.

    Source: RFC 8259, section 8.1.

    Raises:
        InvalidValueError: It is not; the message says where, and what it looks like.
    """
    if fault := fault_of(text):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            param = param or _field_at(text, error.start)
        inside = f" In the field {param!r}." if param and param != what else ""
        raise InvalidValueError(f"{what} {fault}.{inside}", param=param)
    for found in _ESCAPES.finditer(text) if b"\\u" in text else ():
        if found.lastgroup is None:
            continue
        param = param or _field_at(text, found.start())
        code = found[0].decode()
        reason = f"is half of a surrogate pair, not a character: {code} at position {found.start()}"
        if found.lastgroup == "nul":
            reason = f"is not allowed in text: {code} at position {found.start()}"
        elif code[2:4].lower() == "dc" and code[4] in "89abcdefABCDEF":  # PEP 383
            byte = code[4:].upper()
            reason = f"stands for the byte 0x{byte}, which was not UTF-8 where the text came from: {code}"
        raise InvalidValueError(f"{what} has an escape that {reason}.", param=param)


def _field_at(text: bytes | bytearray, position: int) -> str | None:
    """Return the path of the field whose text has *position*, such as ``emotion.text``, if it is near."""
    path: list[bytes] = []
    key = last = b""
    for number, found in enumerate(_TOKEN.finditer(text, 0, position)):
        if number >= MOST_TOKENS:
            return None
        token = found[0]
        if token == b":":
            key = last
        elif token in b"{[":
            path.append(key)
            key = b""
        elif token in b"}]":
            key = path.pop() if path else b""
        elif token == b",":
            key = b""
        else:
            last = token.strip(b'"')
    names = [name.decode() for name in (*path, key) if _NAME.fullmatch(name)]
    return ".".join(names) or None


def _is_deep(text: bytes | bytearray) -> bool:
    """Return whether brackets outside of strings are nested too deeply; takes time linear in the length."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", text).translate(None, _OTHERS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return bool(len(steps)) and int(steps.cumsum().max()) > MAX_DEPTH


def _slip(text: memoryview, reason: str) -> str:
    """Return a hint about a common mistake where reading *text* ended; empty for any other."""
    found = _PLACE.search(reason)
    rest = bytes(text[int(found[1]) :][:5]) if found else b""
    if rest.startswith((b"\n", b"\r", b"\t")):
        return ". Within a text, the end of a line is written as \\n and a tab as \\t; a JSON library does so"
    if rest.startswith((b"True", b"False", b"None")):
        return ". JSON has true, false and null, in small letters"
    return ""


def _unreadable(what: str, reason: str, param: str | None) -> InvalidValueError:
    return InvalidValueError(f"{what} is not valid JSON: {reason}.", param=param)

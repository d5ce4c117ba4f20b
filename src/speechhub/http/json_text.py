"""Reads JSON that a client wrote: what cannot be read is the client's fault, in whatever way it fails."""

import re
from typing import Any, Final

import msgspec
import numpy as np

from speechhub.errors import InvalidValueError

BODY: Final = "The request body"
MAX_DEPTH: Final = 100
"""How deep arrays and objects may lie in each other. Python's own limit is another in each version."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
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

    msgspec has an exception of its own for bad syntax alone. Text that is not UTF-8, and numbers beyond what
    it can hold, end in those of Python.

    Args:
        text: One JSON value.
        kind: Type that it has; by default any.
        what: Name of the text, which begins the message of an error.
        param: Name of the field, for errors.

    Raises:
        msgspec.ValidationError: It is JSON, and does not fit *kind*, which is not ``Any``.
        InvalidValueError: It cannot be read.
    """
    # What is raw came out of a text that was read here.
    if not isinstance(text, msgspec.Raw) and _is_deep(text.encode() if isinstance(text, str) else text):
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
        raise _unreadable(what, str(error), param) from error


def _is_deep(text: bytes | bytearray) -> bool:
    """Tell whether brackets outside of strings are nested too deeply; takes the time of the text's length."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", text).translate(None, _OTHERS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return bool(len(steps)) and int(steps.cumsum().max()) > MAX_DEPTH


def _unreadable(what: str, reason: str, param: str | None) -> InvalidValueError:
    return InvalidValueError(f"{what} is not valid JSON: {reason}.", param=param)

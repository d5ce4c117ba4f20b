"""Reads JSON that a client wrote: what cannot be read is the client's fault, in whatever way it fails."""

from typing import Any, Final

import msgspec

from speechhub.errors import InvalidValueError

BODY: Final = "The request body"


def decode_json(
    text: str | bytes | bytearray | msgspec.Raw,
    kind: Any = Any,
    *,
    what: str = BODY,
    param: str | None = None,
) -> Any:
    """Return what *text* says; all JSON of requests is read here.

    msgspec has an exception of its own for bad syntax alone. Text that is not UTF-8, arrays in arrays beyond
    Python's own depth, and numbers beyond what it can hold end in those of Python.

    Args:
        text: One JSON value.
        kind: Type that it has; by default any.
        what: Name of the text, which begins the message of an error.
        param: Name of the field, for errors.

    Raises:
        msgspec.ValidationError: It is JSON, and does not fit *kind*, which is not ``Any``.
        InvalidValueError: It cannot be read.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        if kind is not Any:
            raise
        raise _unreadable(what, str(error), param) from error  # a number that nothing holds
    except RecursionError as error:
        raise _unreadable(what, "arrays or objects are nested too deeply", param) from error
    except UnicodeError as error:  # a ValueError, like the next
        raise _unreadable(what, "text in it is not UTF-8", param) from error
    except (ValueError, OverflowError) as error:  # msgspec.DecodeError is the former
        raise _unreadable(what, str(error), param) from error


def _unreadable(what: str, reason: str, param: str | None) -> InvalidValueError:
    return InvalidValueError(f"{what} is not valid JSON: {reason}.", param=param)

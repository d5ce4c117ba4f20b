"""Errors for values that a field cannot have, which say what it can have."""

from typing import Any

import msgspec

from speechhub.errors import InvalidValueError, MissingValueError, RequestError
from speechhub.settings.expected import misfit, shown


def refusal(name: str, value: object, kind: Any, *, strict: bool, param: str | None = None) -> RequestError:
    """Return the error for a value that does not fit its type; it quotes no text to speak, and no prompt.

    Args:
        name: Of the field; empty for a whole body.
        value: What the request has.
        kind: The type that it does not fit.
        strict: False where numbers and booleans may be written as text.
        param: What to call the field at fault; by default, the innermost part that does not fit.
    """

    def convert(part: Any, inner: Any) -> object:
        return msgspec.convert(part, inner, strict=strict)

    wrong = misfit(value, kind, convert)
    if wrong is None:  # it was read in some other way than here
        return InvalidValueError(f"Invalid value {shown(value)}.", param=param or name or None)
    place = (name + wrong.place).removeprefix(".")
    if wrong.missing:
        error = MissingValueError(f"{place}.{wrong.missing}".removeprefix("."))
        error.param = param or error.param
        return error
    if wrong.value is None and wrong.place and not wrong.place.endswith("]"):  # null is the same as nothing
        error = MissingValueError(place)
        error.param = param or error.param
        return error
    quoted = not wrong.free_text and not isinstance(wrong.value, dict | list) and wrong.place + name
    what = f" {shown(wrong.value)}" if quoted else ""
    where = f" for {place!r}" if place else ""
    return InvalidValueError(f"Invalid value{what}{where}: {wrong.reason}", param=param or place or None)

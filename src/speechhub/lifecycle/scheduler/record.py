"""Events and effects as a record keeps them, and as plain values for JSON: a saved story can be replayed."""

import math
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from speechhub.errors import SpeechhubError
from speechhub.lifecycle.scheduler.events import Effect, Event
from speechhub.placement import Placement

Recorded = TypeVar("Recorded", bound=Event | Effect)


class RecordedError(SpeechhubError):
    """An error in a record: its class and message.

    The error itself has a traceback once a request raised it, and its frames would keep what a client sent.
    """

    def __init__(self, error: SpeechhubError) -> None:
        super().__init__(error.message)
        self.kind = type(error).__name__
        """Name of the error's class."""


def recorded(what: Recorded) -> Recorded:
    """Return an event or effect that can be kept: the same, with a `RecordedError` if it has an error."""
    error = getattr(what, "error", None)
    if error is None:
        return what
    kept: Recorded = replace(cast("Any", what), error=RecordedError(error))
    return kept


def plain(what: Event | Effect) -> dict[str, object]:
    """Return an event's or effect's fields, with the name of its class as ``type``.

    Errors become their class and message, a placement the name of its device, and no deadline is None.
    """
    return {"type": type(what).__name__} | {
        field.name: _plain(getattr(what, field.name)) for field in fields(what)
    }


def _plain(value: object) -> object:
    match value:
        case SpeechhubError():
            kind = value.kind if isinstance(value, RecordedError) else type(value).__name__
            return {"type": kind, "message": value.message}
        case Placement():
            return value.device.name
        case tuple():
            return list(value)
        case float() if math.isinf(value):
            return None
        case _:
            return value

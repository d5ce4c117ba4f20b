"""Events and effects as plain values, which JSON carries: a story that is saved can be replayed."""

import math
from dataclasses import fields

from speechhub.errors import SpeechhubError
from speechhub.lifecycle.scheduler.events import Effect, Event
from speechhub.placement import Placement


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
            return {"type": type(value).__name__, "message": value.message}
        case Placement():
            return value.device.name
        case tuple():
            return list(value)
        case float() if math.isinf(value):
            return None
        case _:
            return value

"""Fields of a request that have no effect: named to the client in a header, and in the debug log."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog
from litestar.types import Scope

from speechhub.http.context import context_of
from speechhub.http.json_text import decode_json

log = structlog.get_logger()

HEADER: Final = "x-ignored-fields"

_NAME: Final = re.compile(r"[A-Za-z_][\w.\[\]-]{0,63}", re.ASCII)
"""What may be a field's name; anything else could be a value in the wrong place, and is not repeated."""
_MAX_NAMES: Final = 20


def unknown_fields(body: bytes, known: Iterable[str]) -> list[str]:
    """Return the names of fields that a JSON object has beyond the *known* ones; null counts as absent."""
    names = frozenset(known)
    values = decode_json(body, dict[str, msgspec.Raw])
    return [name for name, value in values.items() if name not in names and bytes(value) != b"null"]


def note_ignored(scope: Scope, names: Iterable[str]) -> None:
    """Name further fields that have no effect; their values are not repeated.

    Args:
        scope: Of the request, whose answer gets the header.
        names: Fields that the request has and the server does not use.
    """
    told = sorted({name for name in names if _NAME.fullmatch(name)})
    if told:
        headers = context_of(scope).headers
        before = headers[HEADER].split(", ") if HEADER in headers else []
        headers[HEADER] = ", ".join([*before, *told][:_MAX_NAMES])
        log.debug("fields ignored", path=scope["path"], fields=told[:_MAX_NAMES])

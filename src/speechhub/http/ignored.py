"""Fields of a request that this server drops: told to the client in a header, and in the debug log."""

import re
from collections.abc import Iterable
from typing import Final

import structlog
from litestar.types import Scope

log = structlog.get_logger()

HEADER: Final = "x-ignored-fields"

_NAME: Final = re.compile(r"[A-Za-z_][\w.\[\]-]{0,63}", re.ASCII)
"""What may be a field's name; anything else could be a value in the wrong place, and is kept to itself."""
_MAX_NAMES: Final = 20


def note_ignored(scope: Scope, names: Iterable[str]) -> None:
    """Say which fields have no effect; their values are nobody's business.

    Args:
        scope: Of the request, whose answer gets the header.
        names: Fields that the request has, and the server has no use for.
    """
    told = sorted({name for name in names if _NAME.fullmatch(name)})[:_MAX_NAMES]
    if told:
        scope["state"]["headers"][HEADER] = ", ".join(told)
        log.debug("fields ignored", path=scope["path"], fields=told)

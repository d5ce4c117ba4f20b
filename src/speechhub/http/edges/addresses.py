"""Paths and queries whose percent-encoded bytes are not text."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import InvalidValueError
from speechhub.errors.encoding import fault_of
from speechhub.errors.excerpt import excerpt

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
"""What the server puts where the bytes of a path are not UTF-8."""
_NAME: Final = re.compile(rb"[A-Za-z_][\w.\[\]-]{0,63}")


def addresses_checked(app: ASGIApp) -> ASGIApp:
    """Wrap *app*: refuse paths and queries that are not UTF-8 once decoded, or have a NUL.

    Otherwise the invalid bytes would be replaced, and another name would be looked up than the client's.

    Raises:
        InvalidValueError: From the wrapped application.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        _check_path(scope["path"])
        _check_query(scope["query_string"])
        await app(scope, receive, send)

    return wrapped


def _check_path(path: str) -> None:
    if _REPLACED in path:
        part = path[: path.index(_REPLACED)].rpartition("/")[0] or "/"
        raise InvalidValueError(
            f"The path is not UTF-8 after {excerpt(part)}. Percent-encode the UTF-8 bytes of each name, such "
            "as caf%C3%A9 for caf\u00e9."
        )
    if "\0" in path:
        raise InvalidValueError("The path has the character U+0000 (%00), which is not allowed in a path.")


def _check_query(query: bytes) -> None:
    if b"%" not in query and query.isascii():
        return
    for pair in query.replace(b"+", b" ").split(b"&"):
        name, _, value = pair.partition(b"=")
        param = name.decode() if _NAME.fullmatch(name) else None
        for part, what in ((name, "A name"), (value, f"The value of {param!r}" if param else "A value")):
            data = unquote_to_bytes(part)
            if fault := fault_of(data):
                raise InvalidValueError(f"{what} in the query {fault}.", param=param)
            if b"\0" in data:
                raise InvalidValueError(
                    f"{what} in the query has the character U+0000 (%00), which is not allowed in text.",
                    param=param,
                )

"""Paths and addresses of the server's machine in a text, and the text without them."""

import re
from typing import Final

HIDDEN: Final = "(on this server)"
"""Replaces a path or an address."""
_ROUTES: Final = r"(?:v\d+|openai|asr|detect-language|health|metrics|page|schema)\b"
"""Beginnings of the API's own paths, which clients may see."""
_ADDRESS: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]*[^\s'\"<>.,;:)\]]", re.IGNORECASE)
_QUOTED: Final = re.compile(rf"(?<=['\"])(?:~|/(?!{_ROUTES}))[^'\"\n]*(?=['\"])")
"""A path in quotes, which may contain spaces."""
_PATH: Final = re.compile(rf"(?<![\w/:.~])~?/(?!{_ROUTES})(?=[\w.~@%+-])[^\s'\"<>|,;)\]]*[^\s'\"<>|,;)\].:]")


def without_places(text: str) -> str:
    """Return *text* with each absolute path and each address replaced by `HIDDEN`.

    Routes of the API, and slashes between words such as ``and/or``, stay.
    """
    for pattern in (_ADDRESS, _QUOTED, _PATH):
        text = pattern.sub(HIDDEN, text)
    return text

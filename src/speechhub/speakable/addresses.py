"""Shortens web addresses to their host: a reader would not spell out the rest."""

import re
from typing import Final

_ADDRESS: Final = re.compile(
    r"(?P<open><)?(?:(?P<scheme>https?|ftp)://|(?<![\w@./])(?=www\.\w))(?:[\w.%+~-]+(?::[^\s@/<>]{0,80})?@)?"
    r"(?:www\.)?(?P<host>[^\W_](?:[\w-]{0,62}[^\W_])?(?:\.[^\W_](?:[\w-]{0,62}[^\W_])?){0,20})(?::\d{1,5})?"
    r"(?P<rest>[/?#][^\s<>\"`*|\\^{}\[\]()\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef\ufdd0-\ufdef]*"
    r"(?:\([^\s<>()]{0,200}\)[^\s<>\"`*|\\^{}\[\]()]*)*)?(?P<close>>)?",
    re.IGNORECASE,
)
_TRAILING: Final = ".,;:!?'_~"
"""Characters that end the sentence rather than the address."""


def shortened(text: str) -> str:
    """Return *text* with each web address replaced by its host."""
    if "://" not in text and "www." not in text.lower():
        return text
    return _ADDRESS.sub(_host, text)


def _host(found: re.Match[str]) -> str:
    rest, close = found["rest"] or "", found["close"] or ""
    if found["open"] and close:
        return found["host"]
    after = rest[len(rest.rstrip(_TRAILING)) :]
    return f"{found['open'] or ''}{found['host']}{after}{close}"

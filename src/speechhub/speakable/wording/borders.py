"""Patterns for the beginning and end of a number that is not part of code, a name or an address."""

from typing import Final

BEFORE: Final = r"(?<![^\s(\"'„“”‘’«¿¡—~≈±])"  # noqa: RUF001
"""No character before that makes the number part of something else, such as ``x86``, ``2*3`` or ``#1``."""
AFTER: Final = r"(?=[.,;:!?…]{0,4}(?:[\s)»—]|[\"'“”‘’](?![0-9])|$))"  # noqa: RUF001
"""The same at its end; a sentence may end there."""
AFTER_NUMBER: Final = rf"(?:{AFTER}|(?=[.,][0-9]))"
"""The same, where decimals may follow."""
SIGN: Final = r"(?P<sign>[-−]?)"  # noqa: RUF001
SPACE: Final = "[ \u00a0\u202f]"
DASH: Final = "[–-]"  # noqa: RUF001


def word_before(text: str, place: int) -> str:
    """Return the word before *place*, in lower case, if space follows it; otherwise an empty string."""
    before = text[max(0, place - 32) : place]
    words = before.split()
    return words[-1].lower() if words and before[-1].isspace() else ""

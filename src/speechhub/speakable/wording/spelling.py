"""Writes whole numbers as words, by the rules of Unicode's CLDR in the package unicode-rbnf."""

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from unicode_rbnf import RbnfEngine

LONGEST_DIGITS: Final = 15
"""Most digits of a number that is written as one; unicode-rbnf compares floats, exact up to 2 ** 53."""
NUMBERING: Final = "spellout-numbering"
"""Rule set for a number without a noun: ``eins``."""

_LOADING: Final = threading.Lock()


@lru_cache(maxsize=4096)
def spell(number: int, language: str, rules: str = NUMBERING) -> str | None:
    """Return a number in words.

    Args:
        number: At least 0, with at most `LONGEST_DIGITS` digits.
        language: ISO 639-1 code of a language that CLDR has rules for.
        rules: Name of the CLDR rule set, such as ``spellout-ordinal``.

    Returns:
        None where CLDR has no such rule.
    """
    # Imported here because its XML parser takes 50 ms, and most servers never spell a number.
    from unicode_rbnf.engine import RbnfError  # noqa: PLC0415

    try:
        return "".join(_engine(language).iter_format_number(number, rules)).replace("\xad", "").strip()
    except RbnfError:
        return None


def spell_digits(digits: str, language: str) -> str:
    """Return each digit as a word of its own: ``zero zero seven``."""
    return " ".join(spell(int(digit), language) or digit for digit in digits)


@lru_cache(maxsize=32)
def _load(language: str) -> "RbnfEngine":
    from unicode_rbnf import RbnfEngine  # noqa: PLC0415

    return RbnfEngine.for_language(language)


def _engine(language: str) -> "RbnfEngine":
    with _LOADING:  # otherwise two threads could parse the same file
        return _load(language)

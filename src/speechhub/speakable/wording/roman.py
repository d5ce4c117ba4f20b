"""Roman numerals."""

from typing import Final

_VALUES: Final = (
    ("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50), ("XL", 40),
    ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1),
)  # fmt: skip


def roman(text: str) -> int | None:
    """Return the value of a numeral in capitals; None if it is not valid, such as ``IIX``."""
    value, rest = 0, text
    for letters, worth in _VALUES:
        while rest.startswith(letters):
            value += worth
            rest = rest[len(letters) :]
    return value if value and not rest and _written(value) == text else None


def _written(value: int) -> str:
    letters = ""
    for sign, worth in _VALUES:
        times, value = divmod(value, worth)
        letters += sign * times
    return letters

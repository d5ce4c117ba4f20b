"""Roman numerals."""

import pytest

from speechhub.speakable.wording.roman import roman


@pytest.mark.parametrize(
    ("text", "value"),
    [("I", 1), ("IV", 4), ("IX", 9), ("XIV", 14), ("XLII", 42), ("MCMXCIX", 1999), ("MMXXIV", 2024)],
)
def test_a_numeral_has_a_value(text, value):
    """Subtraction counts: IV is four."""
    assert roman(text) == value


@pytest.mark.parametrize("text", ["", "IIX", "IIII", "VX", "ABC", "iv", "I" * 10_000])
def test_other_letters_have_none(text):
    """Only the one right way to write a number counts."""
    assert roman(text) is None

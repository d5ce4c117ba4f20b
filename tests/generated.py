"""How many cases Hypothesis makes up for a test that does not take the profile's number."""

from hypothesis import settings

WHOLE = 100
"""Cases of a test in the profile in which `examples` changes nothing. Source: Hypothesis's default."""


def examples(count: int) -> int:
    """Return *count* in the profile `patient`, and in one with fewer cases the same share of it."""
    return max(1, count * settings.default.max_examples // WHOLE)

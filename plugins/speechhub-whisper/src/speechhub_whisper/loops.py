"""Loops: texts that repeat themselves, by a fault of the model or because people do. Pure."""

from collections.abc import Sequence
from typing import Final

LONGEST_PATTERN: Final = 60
"""In tokens: about two sentences."""
MIN_REPEATS: Final = 3
"""A text that does not end repeats itself more often than people do."""
MIN_TOKENS: Final = 12
"""Fewest tokens of all repeats together: a text may well end with "no, no, no"."""


def without_loop(tokens: Sequence[int]) -> list[int]:
    """Return *tokens* up to the end of the first repeat if they end in a loop, and otherwise all of them."""
    for length in range(1, min(LONGEST_PATTERN, len(tokens) // MIN_REPEATS) + 1):
        first = len(tokens) - length
        # The tokens may end in the middle of a repeat: only the distance counts.
        while first > 0 and tokens[first - 1] == tokens[first - 1 + length]:
            first -= 1
        looped = len(tokens) - first
        if looped >= MIN_REPEATS * length and looped >= MIN_TOKENS:
            return list(tokens[: first + length])
    return list(tokens)

"""Texts that run in circles: a weakness of the model, and at times what is really said. Pure."""

from collections.abc import Sequence
from typing import Final

LONGEST_PATTERN: Final = 60
"""In tokens: about two sentences."""
MIN_REPEATS: Final = 3
"""A text that found no end has more rounds than a person who repeats one."""
MIN_TOKENS: Final = 12
"""What the repeats have together: a text may well end with "no, no, no"."""


def without_loop(tokens: Sequence[int]) -> list[int]:
    """Return *tokens* up to the end of the first round, if they end in circles, and else all of them."""
    for length in range(1, min(LONGEST_PATTERN, len(tokens) // MIN_REPEATS) + 1):
        first = len(tokens) - length
        # The tokens may end in the middle of a round: only the distance counts.
        while first > 0 and tokens[first - 1] == tokens[first - 1 + length]:
            first -= 1
        looped = len(tokens) - first
        if looped >= MIN_REPEATS * length and looped >= MIN_TOKENS:
            return list(tokens[: first + length])
    return list(tokens)

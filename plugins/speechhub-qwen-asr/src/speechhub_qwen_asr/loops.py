"""Loops: texts that repeat themselves without end, a known weakness of the model. Pure."""

from collections.abc import Sequence
from typing import Final

LONGEST_PATTERN: Final = 40
"""In tokens: about a sentence."""
MIN_REPEATS: Final = 6
"""People say things twice and sing them four times."""
MIN_TOKENS: Final = 24
"""Fewest tokens of all repeats together: people may well laugh "ha ha ha ha ha ha"."""


def find_loop(tokens: Sequence[int]) -> int | None:
    """Return where the first repeat begins if *tokens* end in a loop, so that cutting there keeps one round.

    Returns:
        Index into *tokens*; None if they do not.
    """
    for length in range(1, min(LONGEST_PATTERN, len(tokens) // MIN_REPEATS) + 1):
        pattern = list(tokens[-length:])
        first = len(tokens) - length
        while first >= length and list(tokens[first - length : first]) == pattern:
            first -= length
        repeats = (len(tokens) - first) // length
        while first > 0 and tokens[first - 1] == tokens[first - 1 + length]:
            first -= 1  # the tokens may end in the middle of a round
        if repeats >= MIN_REPEATS and repeats * length >= MIN_TOKENS:
            return first + length
    return None

"""What decoding a clip may cost, by its length: a model that finds no end is ended. Pure."""

from collections.abc import Callable
from typing import Final

MAX_TOKENS: Final = 224
"""Longest text of one window, in tokens: half of Whisper's 448. Source: whisper.cc in CTranslate2."""
TOKENS_PER_S: Final = 30
"""More than can be said in a second: English takes 3 to 6 tokens, Chinese up to 20, and scripts that Whisper
spells by bytes, such as Burmese and Khmer, 25."""
TOKENS_BESIDE: Final = 16
"""For timestamps, and for clips so short that their rate says little."""
WINDOW_S: Final = 30.0
"""How much Whisper looks at together, in seconds."""
WINDOW_STEPS: Final = 20
"""What encoding a window takes, as a number of tokens that could be decoded in that time."""
LADDER_BUDGETS: Final = 3
"""After so many budgets each further window is decoded once, whatever comes out."""
CLIP_BUDGETS: Final = 5
"""After so many budgets the clip ends."""


class SpentError(Exception):
    """The clip has cost what it may."""


def budget(duration_s: float) -> int:
    """Return how many tokens the text of one window may have, by the length of its clip in seconds."""
    return min(MAX_TOKENS, TOKENS_BESIDE + round(TOKENS_PER_S * duration_s))


class Work:
    """Counts what a clip costs, in steps: a token is one. Lives as long as one clip is decoded."""

    def __init__(self, duration_s: float, stop: Callable[[], None] = lambda: None) -> None:
        """Take the clip's length in seconds, and what raises when the call is cancelled."""
        self.stop = stop
        self.max_tokens = budget(duration_s)
        self.salvaged = False
        """Whether a window has only what was left of texts without an end, if anything."""
        self._unit = self.max_tokens * max(1.0, duration_s / WINDOW_S)
        self._steps = 0

    def begin_window(self, temperatures: list[float]) -> list[float]:
        """Return which of the temperatures may be tried on the next window.

        Raises:
            SpentError: None: the clip has cost what it may.
        """
        if self._steps >= CLIP_BUDGETS * self._unit:
            raise SpentError
        within = self._steps < LADDER_BUDGETS * self._unit
        self._steps += WINDOW_STEPS
        return temperatures if within else temperatures[:1]

    def count(self, tokens: int) -> None:
        """Take note of a text of so many tokens, however good."""
        self._steps += tokens

    def ran_away(self, tokens: int) -> bool:
        """Tell whether a text of so many tokens found no end within the budget."""
        return tokens >= self.max_tokens

    def too_fast(self, tokens: int) -> bool:
        """Tell whether a text of so many tokens is longer than what can be said in the clip.

        Whisper's own limit is no sign of that: dense scripts reach it within 30 s.
        """
        return tokens >= self.max_tokens and self.max_tokens < MAX_TOKENS

    def max_length(self, prompt_tokens: int, limit: int) -> int:
        """Return CTranslate2's ``max_length`` for the budget, after a prompt of so many tokens.

        Half of it is for the text, or what the prompt leaves. Source: whisper.cc in CTranslate2.
        """
        if self.max_tokens >= MAX_TOKENS:
            return limit
        return min(limit, max(2 * self.max_tokens, prompt_tokens + self.max_tokens))

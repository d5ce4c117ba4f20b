"""Limits on the work for one clip, by its length, so that a model that does not stop is stopped. Pure."""

from collections.abc import Callable
from typing import Final

MAX_TOKENS: Final = 224
"""Longest text of one window, in tokens: half of Whisper's 448. Source: whisper.cc in CTranslate2."""
TOKENS_PER_S: Final = 30
"""More than can be said in a second: English takes 3 to 6 tokens, Chinese up to 20, and scripts that Whisper
spells by bytes, such as Burmese and Khmer, 25."""
TOKENS_BESIDE: Final = 16
"""Extra tokens for timestamps, and for clips so short that the rate says little."""
WINDOW_S: Final = 30.0
"""Length of the window that Whisper sees at once, in seconds."""
WINDOW_STEPS: Final = 20
"""Cost of encoding a window, as the number of tokens that could be decoded in that time."""
LADDER_BUDGETS: Final = 3
"""After so many budgets each further window is decoded only once, whatever the result."""
CLIP_BUDGETS: Final = 5
"""After so many budgets the clip ends."""


class SpentError(Exception):
    """The clip has used up its work."""


def budget(duration_s: float) -> int:
    """Return how many tokens the text of one window may have, by the length of its clip in seconds."""
    return min(MAX_TOKENS, TOKENS_BESIDE + round(TOKENS_PER_S * duration_s))


class Work:
    """Counts the work for a clip, in steps: one per token. Lives as long as one clip is decoded."""

    def __init__(self, duration_s: float, stop: Callable[[], None] = lambda: None) -> None:
        """Take the clip's length in seconds, and a function that raises when the call is cancelled."""
        self.stop = stop
        self.max_tokens = budget(duration_s)
        self.salvaged = False
        """Whether the text of some window is only what could be saved of texts that did not end."""
        self._unit = self.max_tokens * max(1.0, duration_s / WINDOW_S)
        self._steps = 0

    def begin_window(self, temperatures: list[float]) -> list[float]:
        """Return the temperatures that may be tried on the next window.

        Raises:
            SpentError: None may: the clip has used up its work.
        """
        if self._steps >= CLIP_BUDGETS * self._unit:
            raise SpentError
        within = self._steps < LADDER_BUDGETS * self._unit
        self._steps += WINDOW_STEPS
        return temperatures if within else temperatures[:1]

    def count(self, tokens: int) -> None:
        """Count a text of so many tokens, whether it is used or not."""
        self._steps += tokens

    def ran_away(self, tokens: int) -> bool:
        """Tell whether a text of so many tokens did not end within the budget."""
        return tokens >= self.max_tokens

    def too_fast(self, tokens: int) -> bool:
        """Tell whether a text of so many tokens is longer than can be said in the clip.

        Whisper's own limit does not show that: dense scripts reach it within 30 s.
        """
        return tokens >= self.max_tokens and self.max_tokens < MAX_TOKENS

    def max_length(self, prompt_tokens: int, limit: int) -> int:
        """Return CTranslate2's ``max_length`` for the budget, after a prompt of so many tokens.

        Half of it is for the text, or as much as the prompt leaves. Source: whisper.cc in CTranslate2.
        """
        if self.max_tokens >= MAX_TOKENS:
            return limit
        return min(limit, max(2 * self.max_tokens, prompt_tokens + self.max_tokens))

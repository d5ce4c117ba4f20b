"""Temperatures to try until a text is good: fewer than faster-whisper's where texts do not end. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

LADDER: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures to try until the text is good. Source: transcribe() in openai/whisper."""
MAX_COMPRESSION_RATIO: Final = 2.4
"""Text that compresses better repeats itself. Source: transcribe() in openai/whisper."""
MIN_LOGPROB: Final = -1.0
"""Text with a lower mean log-probability is a guess. Source: transcribe() in openai/whisper."""
MAX_NO_SPEECH_PROB: Final = 0.6
"""Above this, a guess is silence. Source: transcribe() in openai/whisper."""
SURE_LOGPROB: Final = -0.5
"""Text that repeats itself may be what is said, if its mean log-probability is at least this."""
NONSENSE_LOGPROB: Final = -1.5
"""Where the text of one temperature did not end, another with a lower mean log-probability is nonsense."""
SAME_LENGTH: Final = 0.1
"""Two repetitive texts agree if their lengths differ by no more than this fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The text of a window at one temperature."""

    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    ran_away: bool = False
    """Whether it used up its budget of tokens without an end."""
    too_fast: bool = False
    """Whether the text is longer than can be said in the time, and so nonsense."""

    @property
    def is_guess(self) -> bool:
        """Whether it is too improbable to be taken at once."""
        return self.avg_logprob < MIN_LOGPROB

    @property
    def is_silence(self) -> bool:
        """Whether it is a guess for a window without speech."""
        return self.is_guess and self.no_speech_prob > MAX_NO_SPEECH_PROB

    @property
    def repeats(self) -> bool:
        """Whether its text repeats itself."""
        return self.compression_ratio > MAX_COMPRESSION_RATIO

    @property
    def is_good(self) -> bool:
        """Whether no other temperature is needed. Source: generate_with_fallback() in faster-whisper."""
        return self.is_silence or not (self.is_guess or self.repeats or self.too_fast)

    @property
    def is_sure_repeat(self) -> bool:
        """Whether the text repeats itself, but ended, and the model is sure of it."""
        return self.repeats and not self.ran_away and self.avg_logprob >= SURE_LOGPROB


NOTHING: Final = Attempt(
    tokens=(), temperature=0.0, avg_logprob=-math.inf, compression_ratio=0.0, no_speech_prob=1.0
)
"""The result for a window in which every text was nonsense; faster-whisper skips it as silence."""


def climb(
    temperatures: Sequence[float], attempt: Callable[[float], Attempt], salvage: Callable[[Attempt], Attempt]
) -> Attempt:
    """Return the attempt to use for a window.

    Args:
        temperatures: Those to try, in order; at least one.
        attempt: Decodes the window at a temperature.
        salvage: Returns the believable part of an attempt that ran away, or `NOTHING`.
    """
    attempts: list[Attempt] = []
    place = run_aways = 0
    while place < len(temperatures):
        attempts.append(attempt(temperatures[place]))
        if attempts[-1].is_good:
            return attempts[-1]
        if len(attempts) > 1 and _agree(*attempts[-2:]):
            return attempts[-2]
        run_aways += attempts[-1].ran_away
        # Each text without an end makes the next step larger: if none ends, 0, 0.2 and 0.6 are tried.
        place += run_aways if attempts[-1].ran_away else 1
    return _best(attempts, salvage)


def _agree(one: Attempt, other: Attempt) -> bool:
    """Tell whether both have about as many repeats, which are then in the recording."""
    if not (one.is_sure_repeat and other.is_sure_repeat):
        return False
    lengths = len(one.tokens), len(other.tokens)
    return max(lengths) - min(lengths) <= SAME_LENGTH * max(lengths)


def _best(attempts: Sequence[Attempt], salvage: Callable[[Attempt], Attempt]) -> Attempt:
    """Return the likeliest of attempts that all failed, preferring those without repeats."""
    last = attempts[-1].temperature
    ended = [one for one in attempts if not one.ran_away]
    if len(ended) == len(attempts):
        best = max(_straight(attempts) or attempts, key=_likelihood)
        # By the last temperature faster-whisper decides whether to give this text to the next window.
        return replace(best, temperature=last)
    if sensible := [one for one in _straight(ended) if one.avg_logprob >= NONSENSE_LOGPROB]:
        return replace(max(sensible, key=_likelihood), temperature=last)
    return salvage(next(one for one in attempts if one.ran_away))


def _straight(attempts: Sequence[Attempt]) -> list[Attempt]:
    return [one for one in attempts if not one.repeats]


def _likelihood(attempt: Attempt) -> float:
    return attempt.avg_logprob

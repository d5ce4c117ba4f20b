"""Texts that repeat themselves, held against the sound: no round made up, none left out. Pure."""

from collections.abc import Sequence
from typing import Final

from speechhub_whisper.clips import Clip
from speechhub_whisper.work import TOKENS_BESIDE

SPOKEN_TOKENS_PER_S: Final = 6
"""As many tokens in a second as people say who repeat themselves."""
SHORTEST_WORD_S: Final = 0.05
"""Shorter words, in seconds, were made up: there was no place for them."""
LONGEST_WORD_S: Final = 1.0
"""Longer words, in seconds, stand where others were left out."""
MAX_ODD_WORDS: Final = 0.1
"""Part of the words that may be too short or too long."""
MIN_COVERED: Final = 0.65
"""Part of the speech that is within some word; between 0.72 and 0.85 where all is written."""


def fits(words: Sequence[tuple[float, float]], clip: Clip, tokens: int) -> bool:
    """Tell whether a text has about the words that are spoken in its clip.

    Args:
        words: Starts and ends of the words, timed as the clip is, in seconds.
        clip: Where they were heard.
        tokens: Length of the text.
    """
    odd = sum(not SHORTEST_WORD_S <= end_s - start_s <= LONGEST_WORD_S for start_s, end_s in words)
    covered_s = sum(
        max(0.0, min(word_end_s, end_s) - max(word_start_s, start_s))
        for word_start_s, word_end_s in words
        for start_s, end_s in clip.speech
    )
    return (
        tokens <= TOKENS_BESIDE + SPOKEN_TOKENS_PER_S * clip.duration_s
        and odd <= MAX_ODD_WORDS * len(words)
        and covered_s >= MIN_COVERED * sum(end_s - start_s for start_s, end_s in clip.speech)
    )

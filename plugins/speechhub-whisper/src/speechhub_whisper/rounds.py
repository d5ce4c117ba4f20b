"""Repetitive texts, compared with the sound: whether each repeat was spoken, and none left out. Pure."""

from collections.abc import Sequence
from typing import Final

from speechhub_whisper.clips import Clip
from speechhub_whisper.work import TOKENS_BESIDE

SPOKEN_TOKENS_PER_S: Final = 6
"""Most tokens in a second that people say when they repeat themselves."""
SHORTEST_WORD_S: Final = 0.05
"""Shorter words, in seconds, were made up: there is no room for them in the sound."""
LONGEST_WORD_S: Final = 1.0
"""Longer words, in seconds, stand where other words were left out."""
MAX_ODD_WORDS: Final = 0.1
"""Fraction of the words that may be too short or too long."""
MIN_COVERED: Final = 0.65
"""Least fraction of the speech that words cover; 0.72 to 0.85 where the text is complete."""

LAST_MOMENTS_S: Final = 2.0
"""A shorter window, in seconds, is only the rest after the last word of the window before."""
FEW_TOKENS: Final = 4
"""So many tokens are accepted there in any case."""
LAST_TOKENS_PER_S: Final = 20
"""And so many more for each second of it, unless they repeat what was said."""


def fits(words: Sequence[tuple[float, float]], clip: Clip, tokens: int) -> bool:
    """Tell whether a text has about as many words as are spoken in its clip.

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


def is_made_up(tokens: int, left_s: float, *, said_before: bool) -> bool:
    """Tell whether the last moments of a clip are too short for their text.

    Whisper is given its text so far, and repeats it in a window with almost no sound.

    Args:
        tokens: Length of the text, without timestamps.
        left_s: From the beginning of the window to the end of the clip, in seconds.
        said_before: Whether the same text was heard earlier in the clip.
    """
    rate = SPOKEN_TOKENS_PER_S if said_before else LAST_TOKENS_PER_S
    return left_s < LAST_MOMENTS_S and tokens > FEW_TOKENS + rate * left_s

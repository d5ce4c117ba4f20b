"""Times of the characters of what was said: proportional within a sentence, whose times are exact. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from speechhub.services.streamed_speech import SpokenSentence
from speechhub.speakable.punctuation import is_wide


@dataclass(frozen=True, slots=True)
class Alignment:
    """Characters and when they are heard, in seconds."""

    characters: list[str]
    starts_s: list[float]
    ends_s: list[float]


def aligned(sentences: Sequence[SpokenSentence], *, since_s: float = 0.0) -> Alignment:
    """Return the times of all characters of *sentences*, with a space after each where its script has spaces.

    Args:
        sentences: In their order.
        since_s: What the times count from, in seconds since the speech began.
    """
    characters: list[str] = []
    starts: list[float] = []
    ends: list[float] = []
    for sentence in sentences:
        text = sentence.text if is_wide(sentence.text[-1]) else f"{sentence.text} "
        begin, step = sentence.start_s - since_s, (sentence.end_s - sentence.start_s) / len(text)
        characters += text
        starts += [round(begin + place * step, 3) for place in range(len(text))]
        ends += [round(begin + place * step, 3) for place in range(1, len(text) + 1)]
    return Alignment(characters, starts, ends)

"""Segments made of timed words, cut where a reader of subtitles expects it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from speechhub.domain.transcript import Word

SENTENCE_END: Final = tuple(".!?。！？…।؟۔")  # noqa: RUF001  # full-width, Hindi and Arabic ones too
CLAUSE_END: Final = tuple(",;:，、；：،")  # noqa: RUF001
CLOSING: Final = "\"'”’)]»」』"  # noqa: RUF001
"""Marks that may follow the end of a sentence or clause and belong to it."""
MAX_SEGMENT_S: Final = 12.0
"""Longest segment, in seconds, unless a single word lasts longer; a longer sentence is cut between words."""
MIN_CLAUSE_S: Final = 6.0
"""From this length on, in seconds, a segment also ends where a clause does."""
PAUSE_S: Final = 1.0
"""A pause of this length, in seconds, ends a segment."""


def split_into_sentences(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """Yield the words in groups that read well as subtitles; each word once, in order.

    A group ends with a sentence, at a pause of a second, at a comma once it lasts 6 s, and before it would
    last longer than 12 s.

    Args:
        words: In order of time, with their punctuation.
    """
    group: list[Word] = []
    for position, word in enumerate(words):
        group.append(word)
        following = words[position + 1] if position + 1 < len(words) else None
        if following is None or _ends(group, following):
            yield tuple(group)
            group = []


def _ends(group: Sequence[Word], following: Word) -> bool:
    text = group[-1].text.rstrip(CLOSING)
    length_s = group[-1].end_s - group[0].start_s
    return (
        text.endswith(SENTENCE_END)
        or following.start_s - group[-1].end_s >= PAUSE_S
        or (text.endswith(CLAUSE_END) and length_s >= MIN_CLAUSE_S)
        or following.end_s - group[0].start_s > MAX_SEGMENT_S
    )

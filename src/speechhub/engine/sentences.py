"""Segments out of words: a long clip is decoded as one text and must be cut where people would cut it."""

from collections.abc import Iterator, Sequence

from speechhub.domain.transcript import Word

SENTENCE_END = tuple(".!?。！？…।؟۔")  # noqa: RUF001  # full-width and Arabic ones too
CLAUSE_END = tuple(",;:，、；：،")  # noqa: RUF001
CLOSING = "\"'”’)]»"  # noqa: RUF001
MAX_SEGMENT_S = 12.0
"""A segment longer than this is cut even inside a sentence, in seconds."""
MIN_CLAUSE_S = 6.0
"""From this length on, in seconds, a segment ends at a comma if the sentence goes on for too long."""
PAUSE_S = 1.0
"""A pause of this length, in seconds, ends a segment."""


def split_into_sentences(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """Yield the words in groups that read well as subtitles; every word once, in order."""
    group: list[Word] = []
    for position, word in enumerate(words):
        group.append(word)
        following = words[position + 1] if position + 1 < len(words) else None
        if following is None or _ends(group, following):
            yield tuple(group)
            group = []


def _ends(group: list[Word], following: Word) -> bool:
    text = group[-1].text.rstrip(CLOSING)
    length_s = group[-1].end_s - group[0].start_s
    return (
        text.endswith(SENTENCE_END)
        or following.start_s - group[-1].end_s >= PAUSE_S
        or (text.endswith(CLAUSE_END) and length_s >= MIN_CLAUSE_S)
        or following.end_s - group[0].start_s > MAX_SEGMENT_S
    )

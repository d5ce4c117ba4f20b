"""Text that Piper reads right, and sentences short enough for one run of the model."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

MAX_PHONEMES = 200
"""Longest piece for one run, in phonemes: about 10 s of speech. Longer pieces take more memory, and more time
until a cancelled call ends."""

_BRACKETS = re.compile(r"(?<=\[)(?=\[)")
_SOUNDS = frozenset({"Ll", "Lu", "Lt", "Lo", "Nd", "Nl", "No"})
_STOPS = (".", "?", "!", ";", ":", ",")


def clean(text: str) -> str:
    """Return *text* without the characters that Piper would misread.

    Control characters and halves of surrogate pairs become spaces: espeak-ng ends at the first NUL. Double
    brackets are separated: Piper would read their content as phonemes, and a request's text is text.
    """
    text = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Cn") else character for character in text
    )
    return _BRACKETS.sub(" ", text)


def pieces(phonemes: Sequence[str], limit: int = MAX_PHONEMES) -> Iterator[Sequence[str]]:
    """Yield a sentence's phonemes in pieces of at most *limit*, cut where a speaker would breathe."""
    start = 0
    while len(phonemes) - start > limit:
        end = _cut(phonemes, start, start + limit)
        yield phonemes[start:end]
        start = end
    if start < len(phonemes):
        yield phonemes[start:]


def _cut(phonemes: Sequence[str], start: int, end: int) -> int:
    """Return where to cut: after the last stop in the second half, else a space there, else at the end."""
    middle = (start + end) // 2
    for wanted in (_STOPS, (" ",)):
        for position in range(end - 1, middle, -1):
            if phonemes[position] in wanted:
                return position + 1
    return end


def is_speakable(phonemes: Sequence[str]) -> bool:
    """Tell whether there is anything to say: a letter or digit, not only punctuation and stress marks."""
    return any(unicodedata.category(phoneme[0]) in _SOUNDS for phoneme in phonemes if phoneme)

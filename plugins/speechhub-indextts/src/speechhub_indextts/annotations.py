"""Annotations: pronunciations inside a text, ``<行|XING2>``, ``<read|R EH1 D>``, ``<今日|きょう>``.

IndexTTS-2.5 takes all three. IndexTTS-2 takes pinyin, without the brackets.
"""

import re
from typing import Final

from speechhub_indextts.pinyin import SYLLABLES

ANNOTATION: Final = re.compile(r"<([^<|>\n]+)\|([^<|>\n]+)>")
"""Word and pronunciation. Source: PRONUNCIATION_ANNOTATION_PATTERN in indextts25-inference."""


def inlined(text: str) -> str:
    """Return *text* as IndexTTS-2 takes it: words replaced by their pinyin, other annotations removed."""
    return ANNOTATION.sub(_inline, text)


def _inline(found: re.Match[str]) -> str:
    word, reading = found[1], found[2].strip()
    return f" {reading} " if SYLLABLES.fullmatch(reading) else word

"""Tags that the model writes beside the text: ``language Chinese<asr_text>``. Pure."""

import re
from typing import Final

_TAG: Final = re.compile(r"(?:\blanguage \w*)?<asr_text>")


def _begun(word: str) -> str:
    """Return a pattern for every prefix of a word, including the empty one and the whole word."""
    pattern = ""
    for char in reversed(word):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return pattern


_BEGUN: Final = re.compile(
    rf"(?:\blanguage(?: \w*)?{_begun('<asr_text>')}|\b{_begun('language')}|{_begun('<asr_text>')})$"
)


def without_tags(text: str) -> str:
    """Return *text* without tags, which the model may also write in the middle."""
    return _TAG.sub("", text)


def certain_part(text: str) -> str:
    """Return *text* up to where a tag may have begun."""
    found = _BEGUN.search(text)
    return text[: found.start()] if found else text

"""Cuts a text into parts that are parsed one by one, so that time grows only linearly with its length."""

import re
from collections.abc import Iterator
from typing import Final

PART_CHARS: Final = 2000
"""From this length on, a part ends at the next blank line."""
LONGEST_PART_CHARS: Final = 4000

_BLANK: Final = re.compile(r"\n[ \t]*(?=\n)")


def blocks(text: str) -> Iterator[str]:
    """Yield *text* in parts that end between two paragraphs, or, if there is no other way, within one."""
    start = 0
    while len(text) - start > LONGEST_PART_CHARS:
        found = _BLANK.search(text, start + PART_CHARS, start + LONGEST_PART_CHARS)
        end = found.end() if found else _last_space(text, start)
        yield text[start:end]
        start = end
    yield text[start:]


def _last_space(text: str, start: int) -> int:
    """Return the place after the last line end, or else the last space, in the second half of a part."""
    middle, end = start + PART_CHARS, start + LONGEST_PART_CHARS
    return text.rfind("\n", middle, end) + 1 or text.rfind(" ", middle, end) + 1 or end

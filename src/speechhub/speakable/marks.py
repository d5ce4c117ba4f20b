"""Marks that stand for structure inside a text while it is read: ends of lines and paragraphs, and pauses.

They are noncharacters, which Unicode reserves for a program's own use: no text that is interchanged has them,
and those that a client sends all the same are dropped. Source: The Unicode Standard, section 23.7.
"""

import re
from collections.abc import Iterator
from typing import Final

LINE: Final = "\ufdd0"
"""A line ends here."""
PARAGRAPH: Final = "\ufdd1"
"""A paragraph, a heading or the like ends here, or begins."""
CELL: Final = "\ufdd2"
"""A table's cell ends here."""
_PAUSE: Final = "\ufdd3"
_PAUSE_END: Final = "\ufdd4"
MARKS: Final = frozenset(map(chr, range(0xFDD0, 0xFDF0)))
"""All noncharacters of that block."""

_OWN: Final = re.compile("[\ufdd0-\ufdef]")
_PARTS: Final = re.compile(f"([{LINE}{PARAGRAPH}]|{_PAUSE}[0-9]+{_PAUSE_END})")


def pause(seconds: float) -> str:
    """Return the mark for a pause that the text itself asks for."""
    return f"{_PAUSE}{round(seconds * 1000)}{_PAUSE_END}"


def without_marks(text: str) -> str:
    """Return a client's *text* without characters that would pass for marks."""
    return _OWN.sub("", text)


def parts(marked: str) -> Iterator[str | float]:
    """Yield what stands between the marks, `LINE` and `PARAGRAPH` as they are, and pauses in seconds."""
    for part in _PARTS.split(marked):
        if part.startswith(_PAUSE):
            yield int(part[1:-1]) / 1000
        elif part:
            yield part

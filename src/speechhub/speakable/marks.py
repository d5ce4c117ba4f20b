"""Marks for structure inside a text while it is processed: ends of lines and paragraphs, and pauses.

They are noncharacters, which Unicode reserves for a program's internal use: interchanged text does not
contain them, and any that a client sends are dropped. Source: The Unicode Standard, section 23.7.
"""

import re
from collections.abc import Iterator
from typing import Final

LINE: Final = "\ufdd0"
"""A line ends here."""
PARAGRAPH: Final = "\ufdd1"
"""A paragraph, a heading or the like begins or ends here."""
CELL: Final = "\ufdd2"
"""A table's cell ends here."""
_PAUSE: Final = "\ufdd3"
_PAUSE_END: Final = "\ufdd4"
MARKS: Final = frozenset(map(chr, range(0xFDD0, 0xFDF0)))
"""All noncharacters of that block."""

_OWN: Final = re.compile("[\ufdd0-\ufdef]")
_PARTS: Final = re.compile(f"([{LINE}{PARAGRAPH}]|{_PAUSE}[0-9]+{_PAUSE_END})")


def pause(seconds: float) -> str:
    """Return the mark for a pause of *seconds* that the text itself asks for."""
    return f"{_PAUSE}{round(seconds * 1000)}{_PAUSE_END}"


def without_marks(text: str) -> str:
    """Return a client's *text* without characters that would be taken for marks."""
    return _OWN.sub("", text)


def parts(marked: str) -> Iterator[str | float]:
    """Yield the text between marks, the marks `LINE` and `PARAGRAPH`, and pauses in seconds."""
    for part in _PARTS.split(marked):
        if part.startswith(_PAUSE):
            yield int(part[1:-1]) / 1000
        elif part:
            yield part

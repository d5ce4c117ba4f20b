"""Parts of a text that what rewrites it must leave alone: each becomes one character for private use."""

import itertools
import re
from collections.abc import Callable
from typing import Final

AREAS: Final = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))
"""Private use: no text that is interchanged has them, and NeMo's grammars let them pass. Source: The Unicode
Standard, section 23.5."""


class Kept:
    """Takes parts out of one text and puts them back; made for that text."""

    def __init__(self, text: str) -> None:
        """Make ready.

        Args:
            text: What parts are taken from; characters for private use in it stay as they are.
        """
        used = set(text)
        self._free = (chr(code) for code in itertools.chain(*AREAS) if chr(code) not in used)
        self._parts: dict[str, str] = {}

    def keep(self, part: str) -> str:
        """Return a character that stands for *part*."""
        mark = next(self._free)
        self._parts[mark] = part
        return mark

    def matches(
        self, pattern: re.Pattern[str], text: str, spoken: Callable[[str], str] = lambda part: part
    ) -> str:
        """Return *text* with a character for each match.

        Args:
            pattern: What is to be left alone.
            text: The text so far.
            spoken: Makes of a match what is put back for it.
        """
        return pattern.sub(lambda found: self.keep(spoken(found[0])), text)

    def restored(self, text: str) -> str:
        """Return *text* with all parts where they were."""
        return "".join(self._parts.get(character, character) for character in text) if self._parts else text

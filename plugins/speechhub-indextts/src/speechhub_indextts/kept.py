"""Parts of a text that must survive rewriting: each is replaced by a private-use character meanwhile."""

import itertools
import re
from collections.abc import Callable
from typing import Final

AREAS: Final = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))
"""Private-use areas, which normal texts do not contain and NeMo's grammars leave unchanged. Source: The
Unicode Standard, section 23.5."""


class Kept:
    """Takes parts out of a text and puts them back; made for one text."""

    def __init__(self, text: str) -> None:
        """Find the characters that are free for use.

        Args:
            text: The text to take parts from; its own private-use characters stay unchanged.
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
            pattern: Matches the parts to keep.
            text: The text so far.
            spoken: Returns what is put back for a match.
        """
        return pattern.sub(lambda found: self.keep(spoken(found[0])), text)

    def restored(self, text: str) -> str:
        """Return *text* with all parts where they were."""
        return "".join(self._parts.get(character, character) for character in text) if self._parts else text

"""Removes blocks of code between fences, which a reader would skip."""

import re
from typing import Final

from speechhub.speakable.marks import PARAGRAPH

_FENCE: Final = re.compile(
    r"(?P<indent>[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})(?P<info>[^`~]*)"
)


def without_code(text: str) -> tuple[str, list[str]]:
    """Return *text* with a mark for each block of code, and the blocks' lines.

    A block that is not closed extends to the end, as Markdown's grammar says. Each line is read once.
    """
    if "```" not in text and "~~~" not in text:
        return text, []
    kept: list[str] = []
    code: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            bare = line.strip(" \t>")
            if len(bare) >= len(fence) and not bare.strip(fence[0]):
                fence = ""
            else:
                code.append(line)
        elif found := _FENCE.fullmatch(line):
            fence = found["fence"]
            kept.append(f"{found['indent']}{PARAGRAPH}")
        else:
            kept.append(line)
    return "\n".join(kept), code

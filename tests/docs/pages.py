"""The documentation as its tests read it: pages, their blocks of code, headings and links."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of code."""

    page: str
    line: int
    kind: str
    """What stands behind the fence: ``bash`` runs, ``bash refused`` gets an error, ``sh`` is only shown."""
    code: str

    def __str__(self) -> str:
        return f"docs/{self.page}:{self.line}"


def pages() -> dict[str, str]:
    """Return the text of every page of docs/, by its path there."""
    return {str(path.relative_to(DOCS)): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}


def page(name: str) -> str:
    """Return the text of one page."""
    return (DOCS / name).read_text("utf-8")


def blocks(name: str, *kinds: str) -> list[Block]:
    """Return the blocks of one page, in order; only those of some kinds if any are given."""
    text = page(name)
    found = [
        Block(page=name, line=text.count("\n", 0, match.start()) + 1, kind=match[1].strip(), code=match[2])
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if not kinds or block.kind in kinds]


def prose(text: str) -> str:
    """Return a page without its blocks of code, line numbers kept."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def anchors(text: str) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    names = set()
    for heading in _HEADING.findall(prose(text)):
        plain = re.sub(r"`|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        names.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return names


def links(text: str) -> list[str]:
    """Return the targets of all links of a page."""
    return _LINK.findall(prose(text))

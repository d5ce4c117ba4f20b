"""Generated parts of pages that are otherwise written by hand."""

import re

END = "<!-- to here -->"


def start(name: str) -> str:
    """Return the line that begins the generated part *name* of a page."""
    return f"<!-- {name}: made by scripts/generate_docs.py from here -->"


def with_block(page: str, name: str, text: str) -> str:
    """Return *page* with its generated part *name* replaced by *text*.

    Raises:
        ValueError: The page has no place for that part, or more than one.
    """
    block = re.compile(f"{re.escape(start(name))}.*?{re.escape(END)}", re.DOTALL)
    if len(block.findall(page)) != 1:
        raise ValueError(f"The page needs the lines {start(name)} and {END}, in this order and once.")
    return block.sub(lambda _: f"{start(name)}\n\n{text.strip()}\n\n{END}", page)

"""Tables that fit an 80-column terminal, and sizes that people can read."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; see `table`."""
    from speechhub.cli._terminal import console

    console(sys.stdout).print(table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """Return a table; its last column takes the remaining width and wraps its lines.

    Text is shown as it is, never interpreted as markup.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def readable(size_bytes: int) -> str:
    """Return a size in decimal units, as disks and downloads are sold: ``145 MB``."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def some(words: Sequence[str], count: int) -> str:
    """Return the first *count* words, and how many more there are."""
    rest = len(words) - count
    return ", ".join(words[:count]) + (f" +{rest}" if rest > 0 else "")

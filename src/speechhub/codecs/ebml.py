"""Elements of Matroska: where one ends, and whether whole elements lead from one block to the next.

Source: RFC 8794 (EBML), RFC 9559 (Matroska).
"""

from collections.abc import Callable
from typing import Final

MOST_ELEMENTS: Final = 20_000
"""Most elements that are read between two blocks of a track: ten minutes of pictures."""
LONGEST_HEAD: Final = 12
"""Id and size of an element, in bytes."""
OPENED: Final = frozenset({0x1F43B675, 0xA0})
"""Elements whose content is read: clusters and groups of one block."""
LACED: Final = 0x06
"""Flags of a block that holds several packets."""


def size_at(data: bytes) -> tuple[int, int]:
    """Return the size field that *data* begins with, and its bits; (0, 0) if there is none.

    A size with all bits set means an unknown one.
    """
    if not data or not data[0]:
        return 0, 0
    width = 9 - data[0].bit_length()
    return int.from_bytes(data[:width], "big") & ((1 << 7 * width) - 1), 7 * width


def leads_to(peek: Callable[[int, int], bytes], block: int, size: int, other: int) -> bool | None:
    """Return whether only whole elements lie between two blocks; None if that is unknown.

    Args:
        peek: Called with a place and a number of bytes; returns up to that many from there.
        block: Where the content of a block begins.
        size: Length of its packet, in bytes.
        other: Where the content of a later block begins.
    """
    head = peek(block, LONGEST_HEAD)
    _, bits = size_at(head)
    track = bits // 7
    if not track or len(head) < track + 3 or head[track + 2] & LACED:
        return None
    place = block + track + 3 + size
    for _ in range(MOST_ELEMENTS):
        head = peek(place, LONGEST_HEAD)
        if not head or not head[0] or head[0] < 0x10:  # noqa: PLR2004 - no id is longer than four bytes
            return False
        width = 9 - head[0].bit_length()
        length, bits = size_at(head[width:])
        if not bits:
            return False
        place += width + bits // 7
        if place == other:
            return True
        if place > other:
            return False
        if int.from_bytes(head[:width], "big") not in OPENED:
            place += length
    return None

"""Text on its way from one writer to one speaker, with a bound on what waits."""

import asyncio
from collections import deque
from enum import Enum, auto
from typing import Final

MOST_CHARS: Final = 64 * 1024
"""Text that may wait, in characters; a writer that is further ahead waits."""
PART_CHARS: Final = 4096
"""Text that is passed on at a time."""


class Boundary(Enum):
    """Ends that the writer sets."""

    FLUSH = auto()
    """What was written so far shall be spoken now."""
    END = auto()
    """No more text comes."""


class TextSource:
    """A queue of parts of a text, and of boundaries between them."""

    def __init__(self) -> None:
        """Begin empty."""
        self.has_text = False
        """Whether anything was written."""
        self._parts: deque[str | Boundary] = deque()
        self._chars = 0
        self._over = False
        self._added = asyncio.Event()
        self._taken = asyncio.Event()
        self._added_at = 0.0

    async def write(self, text: str) -> None:
        """Add *text*; waits while too much waits. After `end` and `close` it is dropped."""
        for start in range(0, len(text), PART_CHARS):
            while self._chars >= MOST_CHARS and not self._over:
                self._taken.clear()
                await self._taken.wait()
            self._add(text[start : start + PART_CHARS])

    def flush(self) -> None:
        """Set a boundary: nothing that follows belongs to what was written."""
        if not self._parts or self._parts[-1] is not Boundary.FLUSH:
            self._add(Boundary.FLUSH)

    def end(self) -> None:
        """Say that no more text comes."""
        self._add(Boundary.END)
        self._over = True

    def close(self) -> None:
        """Forget what waits, and let the writer go on."""
        self._over = True
        self._parts.clear()
        self._chars = 0
        self._taken.set()

    def next(self) -> str | Boundary | None:
        """Return what comes next, if it is there: short texts up to the next boundary are one."""
        if not self._parts:
            return None
        part = self._parts.popleft()
        if isinstance(part, Boundary):
            return part
        texts, chars = [part], len(part)
        while self._parts and isinstance(more := self._parts[0], str) and chars + len(more) <= PART_CHARS:
            texts.append(more)
            chars += len(more)
            self._parts.popleft()
        self._chars -= chars
        self._taken.set()
        return "".join(texts)

    async def wait(self, patience_s: float | None = None) -> bool:
        """Wait until there is something; return False if there was nothing for so long.

        Args:
            patience_s: In seconds since the last part was added; None waits for as long as it takes.
        """
        until = None if patience_s is None else self._added_at + patience_s
        try:
            async with asyncio.timeout_at(until):
                while not self._parts:
                    self._added.clear()
                    await self._added.wait()
        except TimeoutError:
            return False
        return True

    def _add(self, part: str | Boundary) -> None:
        if self._over:
            return
        self._parts.append(part)
        if isinstance(part, str):
            self._chars += len(part)
            self.has_text = self.has_text or not part.isspace()
        self._added_at = asyncio.get_running_loop().time()
        self._added.set()

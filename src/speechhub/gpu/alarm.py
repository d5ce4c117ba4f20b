"""The warning that a GPU is nearly full. Pure."""

from enum import StrEnum
from typing import Final

WARN_SHARE: Final = 0.90
CLEAR_SHARE: Final = 0.85
"""Below this the warning ends; the gap keeps memory that varies around 90 % from filling the log."""


class Crossing(StrEnum):
    """A threshold that was just crossed."""

    FULL = "full"
    CLEAR = "clear"


class MemoryAlarm:
    """Reports each crossing once; one instance per GPU."""

    def __init__(self, warn_share: float = WARN_SHARE, clear_share: float = CLEAR_SHARE) -> None:
        self._warn_share = warn_share
        self._clear_share = clear_share
        self.full = False
        """Whether the warning is active."""

    def feed(self, used_share: float) -> Crossing | None:
        """Return the threshold that this share of used memory, from 0 to 1, crosses; None without one."""
        if not self.full and used_share >= self._warn_share:
            self.full = True
            return Crossing.FULL
        if self.full and used_share < self._clear_share:
            self.full = False
            return Crossing.CLEAR
        return None

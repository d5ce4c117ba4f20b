"""Keeps a model that cannot be loaded from being tried again and again."""

import math
from dataclasses import dataclass
from typing import Final

from speechhub.errors import SpeechhubError

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


@dataclass(slots=True)
class Breaker:
    """Counts the loads of one model that failed in a row; lives as long as the scheduler.

    After each failure there is a pause, twice as long as the one before, in which nobody waits for the model.
    The first request after it has it tried once more.
    """

    failures: int = 0
    until: float = -math.inf
    """When the pause is over, in seconds of the scheduler's clock."""
    error: SpeechhubError | None = None
    """What the last load failed with."""

    def fail(self, error: SpeechhubError, now: float) -> None:
        """Begin a pause."""
        self.until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.failures, 10))
        self.failures += 1
        self.error = error

    def succeed(self) -> None:
        """Forget the failures."""
        self.failures, self.until, self.error = 0, -math.inf, None

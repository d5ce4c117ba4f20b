"""Circuit breaker: pauses loads of a model that cannot be loaded."""

import math
from dataclasses import dataclass
from typing import Final

from speechhub.errors import SpeechhubError

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


@dataclass(slots=True)
class Breaker:
    """Counts the loads of one model that failed in a row; lives as long as the scheduler.

    After each failure there is a pause, twice as long as the one before, in which requests for the model are
    refused. The first request after the pause starts another load.
    """

    failures: int = 0
    until: float = -math.inf
    """When the pause ends, in seconds of the scheduler's clock."""
    error: SpeechhubError | None = None
    """Error of the last load; None if it succeeded."""

    def fail(self, error: SpeechhubError, now: float) -> None:
        """Count a failed load, and begin a pause."""
        self.until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.failures, 10))
        self.failures += 1
        self.error = error

    def succeed(self) -> None:
        """Forget the failures."""
        self.failures, self.until, self.error = 0, -math.inf, None

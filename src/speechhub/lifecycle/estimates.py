"""What the scheduler learns from the times of its events: how long work takes, and who comes after whom."""

from dataclasses import dataclass, field
from typing import Final

FIRST_GUESS_S: Final = 1.0
"""How long a request takes, before the first one is done."""
SUCCESSION_WEIGHT: Final = 0.1


@dataclass(slots=True)
class Mean:
    """A running mean in which what is long ago counts less and less."""

    value: float
    """Until the first sample, a guess."""
    weight: float = 0.2
    """How much a new sample counts against all before it."""
    samples: int = 0

    def add(self, sample: float) -> None:
        """Take in a sample; the first one replaces the guess."""
        self.value = sample if self.samples == 0 else self.value + self.weight * (sample - self.value)
        self.samples += 1


@dataclass(slots=True)
class ServiceTimes:
    """How long one model's requests hold its worker, in seconds."""

    plain: Mean = field(default_factory=lambda: Mean(FIRST_GUESS_S))
    by_size: Mean = field(default_factory=lambda: Mean(0.0))
    """Seconds for each unit of a request's size."""

    def note(self, seconds: float, size: float) -> None:
        """Learn from a request that is done; *size* 0 is unknown."""
        self.plain.add(seconds)
        if size > 0:
            self.by_size.add(seconds / size)

    def predict(self, size: float) -> float:
        """Return how long a request of *size* will take; 0 is unknown."""
        if size > 0 and self.by_size.samples:
            return self.by_size.value * size
        return self.plain.value


@dataclass(slots=True)
class Succession:
    """Who is asked for after whom, on one device."""

    last: str | None = None
    """Target of the latest request."""
    shares: dict[str, dict[str, float]] = field(default_factory=dict)

    def note(self, target: str) -> None:
        """Learn that *target* was asked for."""
        if self.last is not None:
            row = self.shares.setdefault(self.last, {})
            row.setdefault(target, 0.0)
            for name, share in row.items():
                row[name] = share + SUCCESSION_WEIGHT * ((name == target) - share)
        self.last = target

    def after(self, target: str) -> dict[str, float]:
        """Return for each target how likely it is to be asked for after *target*; 0 to 1."""
        return self.shares.get(target, {})

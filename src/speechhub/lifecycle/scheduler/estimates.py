"""Estimates from the times of events: how long work takes, and which model is asked for after which."""

from collections import deque
from dataclasses import dataclass, field
from statistics import linear_regression
from typing import Final

FIRST_GUESS_S: Final = 1.0
"""How long a request is taken to last before the first one is done."""
FITTED: Final = 50
"""How many of the last calls a prediction by size uses."""
SUCCESSION_WEIGHT: Final = 0.1


@dataclass(slots=True)
class Mean:
    """An exponentially weighted running mean."""

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
    """How long one model's calls hold its worker, in seconds: a fixed part, and a part by size.

    The fixed part of each call is why several requests in one call take less time than one by one.
    """

    plain: Mean = field(default_factory=lambda: Mean(FIRST_GUESS_S))
    each_s: float = 0.0
    """The fixed part of a call."""
    by_size_s: float | None = None
    """The part for each unit of size; None if no size was ever known."""
    _sized: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=FITTED))
    """Size and seconds of the last calls."""

    def note(self, seconds: float, size: float) -> None:
        """Learn from a call that was done to its end; *size* 0 is unknown."""
        self.plain.add(seconds)
        if size > 0:
            self._sized.append((size, seconds))
            self._fit()

    def predict(self, size: float) -> float:
        """Return how long a call of *size* will take; 0 is unknown."""
        if size > 0 and self.by_size_s is not None:
            return self.each_s + self.by_size_s * size
        return self.plain.value

    def _fit(self) -> None:
        """Fit a line to the last calls that neither falls nor begins below 0."""
        sizes, seconds = zip(*self._sized, strict=True)
        through_zero = sum(seconds) / sum(sizes)
        self.each_s, self.by_size_s = 0.0, through_zero
        if len(set(sizes)) > 1:
            by_size_s, each_s = linear_regression(sizes, seconds)
            if each_s > 0:
                self.by_size_s = max(by_size_s, 0.0)
                self.each_s = each_s if by_size_s >= 0 else sum(seconds) / len(seconds)


@dataclass(slots=True)
class Succession:
    """How often one model is asked for after another, on one device."""

    last: str | None = None
    """Model of the latest request."""
    shares: dict[str, dict[str, float]] = field(default_factory=dict)

    def note(self, model: str) -> None:
        """Learn that *model* was asked for."""
        if self.last is not None:
            row = self.shares.setdefault(self.last, {})
            row.setdefault(model, 0.0)
            for name, share in row.items():
                row[name] = share + SUCCESSION_WEIGHT * ((name == model) - share)
        self.last = model

    def forget(self, model: str) -> None:
        """Forget a model that is asked for elsewhere from now on."""
        if self.last == model:
            self.last = None
        self.shares.pop(model, None)
        for row in self.shares.values():
            row.pop(model, None)

    def after(self, model: str) -> dict[str, float]:
        """Return for each model how likely it is to be asked for after *model*; 0 to 1."""
        return self.shares.get(model, {})

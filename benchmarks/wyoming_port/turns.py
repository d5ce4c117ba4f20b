"""Comparisons in turns, and the lines of their tables."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

REST_S = 0.3
"""Pause between two turns, in seconds: threads of ONNX Runtime and OpenMP wait for work in a busy loop."""
LEAST_ROUNDS = 2
"""What a quartile needs."""
LIMIT_S = 80.0
"""Time after which no further round of a comparison begins, in seconds; on a free machine all of them fit."""
T = TypeVar("T")


async def in_turns(
    sides: Mapping[str, Callable[[], Awaitable[T]]], rounds: int, *, warm_ups: int = 1, begin: int = 0
) -> dict[str, list[T]]:
    """Ask all sides this many times after warm-ups, which do not count; another one begins each time.

    A busy machine has at least two rounds, and as many as begin within `LIMIT_S`.

    Args:
        sides: What to ask, by name.
        rounds: How often each is asked.
        warm_ups: Rounds before them.
        begin: Number of the side that begins the first round that counts.
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    end = time.monotonic() + LIMIT_S
    for number in range(-warm_ups, rounds):
        if number >= LEAST_ROUNDS and time.monotonic() > end:
            break
        names = [*sides]
        first = (number + begin) % len(names)
        for name in names[first:] + names[:first]:
            await asyncio.sleep(REST_S)
            answer = await sides[name]()
            if number >= 0:
                found[name].append(answer)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, and that of the fastest quarters, the least disturbed."""
    median = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    fastest = [statistics.quantiles(side, n=4)[0] for side in (ours, theirs)]
    return f"{median:.2f} ({fastest[0] / fastest[1]:.2f})"


def ms(values: Sequence[float]) -> str:
    """Return the median of seconds, in milliseconds."""
    return f"{1000 * statistics.median(values):.0f}"


def coarse(values: Sequence[float]) -> str:
    """Return the median, with two places."""
    return f"{statistics.median(values):.2f}"


def fine(values: Sequence[float]) -> str:
    """Return the median, with three places."""
    return f"{statistics.median(values):.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with a column for each side, and what the first takes compared with the others."""

    sides: Sequence[str]

    def head(self, what: str) -> None:
        """Print the first two lines."""
        others = self.sides[1:]
        cells = [what, *self.sides, *(f"÷ {name} (fastest quarter)" for name in others)]
        print(f"\n| {' | '.join(cells)} |\n{'| --- ' * len(cells)}|")

    def line(self, what: str, values: Mapping[str, Sequence[float]], show: Callable[..., str] = ms) -> None:
        """Print medians, and the medians of each round's ratios."""
        ours, *others = (values[name] for name in self.sides)
        cells = [show(one) for one in (ours, *others)] + [ratio(ours, other) for other in others]
        print(f"| {what} | {' | '.join(cells)} |", flush=True)

"""Detection of leaks in GPU memory: between residents, and while one stays. Pure.

Between residents every process of ours is gone, so what is left over is an orphan's or a stranger's; inside a
visit an engine that grows with every request will fill the card one day.
Source: shared notes on the lifecycle, 2f; the limits are larger than what drivers' own books move.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Final

MB: Final = 1024 * 1024

RESIDUAL_LIMIT_BYTES: Final = 50 * MB
"""How far the median of the last residuals may lie above the median of the first."""
SLOPE_LIMIT_BYTES: Final = 5 * MB
"""How much residuals may grow with each switch."""
ENDS: Final = 5
"""Residuals that make up the first and the last."""
FEWEST: Final = 10
"""Residuals before there is a verdict."""
VISIT_CALLS: Final = 50
"""Calls in a row that an engine grew over, until it is suspect."""
VISIT_LIMIT_BYTES: Final = 1 * MB
"""How much it must have grown over them: less is not worth another load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakVerdict:
    """What the residuals say."""

    suspected: bool
    residual_bytes: int
    """The last residual; 0 before the first."""
    growth_bytes: float = 0.0
    """Median of the last residuals minus median of the first."""
    slope_bytes: float = 0.0
    """Growth for each switch, by Theil and Sen."""
    switches: int = 0
    """Residuals that the verdict rests on."""


def residual(
    used_bytes: int, baseline_bytes: int, processes: Mapping[int, int | None] | None, ours: Collection[int]
) -> int:
    """Return what is taken while no engine is resident, beyond the baseline and what strangers hold.

    Args:
        used_bytes: Memory that the device says is taken.
        baseline_bytes: The same before the first engine was loaded, without strangers.
        processes: Process id → bytes, None where the driver does not tell.
        ours: Ids of processes that we started, dead or alive: what they hold is not a stranger's.
    """
    foreign = sum(size or 0 for pid, size in (processes or {}).items() if pid not in ours)
    return max(0, used_bytes - baseline_bytes - foreign)


def slope(values: Sequence[float]) -> float:
    """Return the median slope between all pairs, per step: Theil-Sen, which outliers do not move.

    Args:
        values: Equally spaced; fewer than two have no slope, which is 0.
    """
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2)]
    return median(slopes) if slopes else 0.0


def between_residents(residuals: Sequence[int]) -> LeakVerdict:
    """Return whether memory gets lost from switch to switch.

    Args:
        residuals: Bytes left over after each switch, the oldest first. See `residual`.
    """
    last = residuals[-1] if residuals else 0
    if len(residuals) < FEWEST:
        return LeakVerdict(suspected=False, residual_bytes=last, switches=len(residuals))
    growth = median(residuals[-ENDS:]) - median(residuals[:ENDS])
    trend = slope(residuals)
    return LeakVerdict(
        suspected=growth > RESIDUAL_LIMIT_BYTES or trend > SLOPE_LIMIT_BYTES,
        residual_bytes=last,
        growth_bytes=growth,
        slope_bytes=trend,
        switches=len(residuals),
    )


def inside_visit(held: Sequence[int]) -> bool:
    """Return whether an engine grew all through its last calls, and never gave anything back.

    Caches that fill grow too, and then stop; so each tenth part of the calls must have added something.

    Args:
        held: Bytes that the engine held after each call of its visit, the oldest first.
    """
    recent = list(held)[-VISIT_CALLS - 1 :]
    if len(recent) <= VISIT_CALLS or recent[-1] - recent[0] < VISIT_LIMIT_BYTES:
        return False
    marks = recent[:: VISIT_CALLS // 10]
    return all(later >= earlier for earlier, later in pairwise(recent)) and all(
        later > earlier for earlier, later in pairwise(marks)
    )

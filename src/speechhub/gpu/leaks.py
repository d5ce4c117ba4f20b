"""Detection of leaks in GPU memory: between residents, and while one stays. Pure.

Between residents all our processes are gone, so memory still in use belongs to an orphan or to another
program; while an engine stays, growth with every request will fill the card one day.
Source: shared notes on the lifecycle, 2f; the limits are larger than the drivers' own fluctuations.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Final

MB: Final = 1024 * 1024

RESIDUAL_LIMIT_BYTES: Final = 50 * MB
"""How far the median of the last residuals may be above the median of the first."""
SLOPE_LIMIT_BYTES: Final = 5 * MB
"""How much residuals may grow with each switch."""
ENDS: Final = 5
"""Number of residuals in each of the two medians."""
FEWEST: Final = 10
"""Fewest residuals for a verdict."""
VISIT_CALLS: Final = 50
"""Calls in a row over which an engine must grow to be suspected."""
VISIT_LIMIT_BYTES: Final = 1 * MB
"""How much it must grow over these calls: less is not worth another load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakVerdict:
    """The conclusion from the residuals."""

    suspected: bool
    residual_bytes: int
    """The last residual; 0 before the first."""
    growth_bytes: float = 0.0
    """Median of the last residuals minus median of the first."""
    slope_bytes: float = 0.0
    """Growth for each switch, by Theil and Sen."""
    switches: int = 0
    """Number of residuals behind the verdict."""


def residual(
    used_bytes: int, baseline_bytes: int, processes: Mapping[int, int | None] | None, ours: Collection[int]
) -> int:
    """Return the memory in use while no engine is resident, beyond the baseline and other programs' memory.

    Args:
        used_bytes: Memory in use, as the device reports it.
        baseline_bytes: The same before the first engine was loaded, without other programs.
        processes: Process id → bytes, None if the driver does not report them.
        ours: Ids of processes that we started, dead or alive: their memory is not another program's.
    """
    foreign = sum(size or 0 for pid, size in (processes or {}).items() if pid not in ours)
    return max(0, used_bytes - baseline_bytes - foreign)


def slope(values: Sequence[float]) -> float:
    """Return the median slope between all pairs, per step: Theil-Sen, which outliers do not move.

    Args:
        values: Equally spaced values; fewer than two give 0.
    """
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2)]
    return median(slopes) if slopes else 0.0


def between_residents(residuals: Sequence[int]) -> LeakVerdict:
    """Return whether memory is lost from switch to switch.

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
    """Return whether an engine grew throughout its last calls, and never released memory.

    Caches grow too while they fill, and then stop; so each tenth of the calls must have added memory.

    Args:
        held: Bytes that the engine held after each call since it was loaded, the oldest first.
    """
    recent = list(held)[-VISIT_CALLS - 1 :]
    if len(recent) <= VISIT_CALLS or recent[-1] - recent[0] < VISIT_LIMIT_BYTES:
        return False
    marks = recent[:: VISIT_CALLS // 10]
    return all(later >= earlier for earlier, later in pairwise(recent)) and all(
        later > earlier for earlier, later in pairwise(marks)
    )

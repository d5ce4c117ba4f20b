"""Growth of a value over a run: pure arithmetic on samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WARM_UP = 0.2
"""Share of the run that does not count: allocators, caches and pools fill up first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a value changed over the run, after the warm-up."""

    median: float
    least: float
    most: float
    grown: float
    """The slope times the duration that it was measured over."""


def growth(times_s: Sequence[float], values: Sequence[float]) -> Growth:
    """Return how *values* changed; the slope is the median of those between all pairs of samples.

    Source: the estimator of Theil and Sen; a fifth of the values may be anything without moving it much.
    """
    at, value = np.asarray(times_s, float), np.asarray(values, float)
    late = at >= at[0] + WARM_UP * (at[-1] - at[0])
    at, value = at[late], value[late]
    first, second = np.triu_indices(len(at), 1)
    slope = np.median((value[second] - value[first]) / (at[second] - at[first])) if len(first) else 0.0
    return Growth(
        median=float(np.median(value)),
        least=float(value.min()),
        most=float(value.max()),
        grown=float(slope * (at[-1] - at[0])),
    )

"""A bar chart of the routers as SVG, without a plotting library."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

COLOURS: Final = ("#9aa5b1", "#3a7ca5", "#e0a458")
LOW_S, HIGH_S = 0.01, 100.0
ROW, LEFT, PANEL = 62, 150, 270


def _x(seconds: float) -> float:
    """Return the place of *seconds* on a logarithmic axis, 0 to 1."""
    return math.log10(min(HIGH_S, max(LOW_S, seconds)) / LOW_S) / math.log10(HIGH_S / LOW_S)


def svg(
    waits: Mapping[tuple[int, str, str], float],
    replicas: Sequence[int],
    workloads: Sequence[str],
    routers: Sequence[str],
) -> str:
    """Return the picture: mean waits, one panel for each size of the cluster.

    Args:
        waits: (replicas, workload, router) → seconds.
        replicas: From left to right.
        workloads: From top to bottom.
        routers: In the order of their colours.
    """
    height, width = 70 + ROW * len(workloads), LEFT + (PANEL + 10) * len(replicas)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        "<title>Mean wait for an engine, by workload, router and number of replicas</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, router in enumerate(routers):
        x = LEFT + 110 * index
        parts.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[index]}"/>')
        parts.append(f'<text x="{x + 18}" y="20">{escape(router)}</text>')
    for panel, number in enumerate(replicas):
        left = LEFT + panel * (PANEL + 10)
        parts.append(
            f'<text x="{left}" y="42" font-weight="bold">{number} replicas: mean wait, seconds</text>'
        )
        for tick in (0.01, 0.1, 1, 10, 100):
            x = round(left + _x(tick) * (PANEL - 40))
            parts.append(f'<line x1="{x}" y1="50" x2="{x}" y2="{height - 16}" stroke="#ddd"/>')
            parts.append(f'<text x="{x}" y="{height - 3}" text-anchor="middle" fill="#555">{tick:g}</text>')
        for row, workload in enumerate(workloads):
            for index, router in enumerate(routers):
                seconds = waits.get((number, workload, router))
                if seconds is None:
                    continue
                y = 56 + ROW * row + 16 * index
                wide = max(1.0, _x(seconds) * (PANEL - 40))
                parts.append(
                    f'<rect x="{left}" y="{y}" width="{wide:.1f}" height="13" fill="{COLOURS[index]}"/>'
                )
                parts.append(f'<text x="{left + wide + 4:.1f}" y="{y + 11}">{seconds:.2f}</text>')
    for row, workload in enumerate(workloads):
        y = 56 + ROW * row + 28
        parts.append(f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{escape(workload)}</text>')
    return "\n".join([*parts, "</svg>", ""])

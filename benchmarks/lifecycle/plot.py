"""A bar chart as SVG, without a plotting library."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

COLOURS: Final = ("#9aa5b1", "#e0a458", "#3a7ca5")
LOW_S, HIGH_S = 0.1, 1000.0
WIDTH, ROW, LEFT, PANEL = 860, 62, 150, 330


def _x(seconds: float) -> float:
    """Return the place of *seconds* on a logarithmic axis, 0 to 1."""
    inside = min(HIGH_S, max(LOW_S, seconds))
    return math.log10(inside / LOW_S) / math.log10(HIGH_S / LOW_S)


def svg(
    p95: Mapping[tuple[str, str], tuple[float, float]], workloads: Sequence[str], policies: Sequence[str]
) -> str:
    """Return the picture: 95th percentiles of the wait, for STT on the left and TTS on the right.

    Args:
        p95: (workload, policy) → seconds for STT and for TTS.
        workloads: From top to bottom.
        policies: In the order of their colours.
    """
    height = 70 + ROW * len(workloads)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        "<title>95th percentile of the wait for an engine, by workload and policy</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for index, policy in enumerate(policies):
        x = LEFT + 110 * index
        parts.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[index]}"/>')
        parts.append(f'<text x="{x + 18}" y="20">{escape(policy)}</text>')
    for panel, name in enumerate(("STT", "TTS")):
        left = LEFT + panel * (PANEL + 20)
        parts.append(f'<text x="{left}" y="42" font-weight="bold">{name}: wait, p95, seconds</text>')
        for tick in (0.1, 1, 10, 100, 1000):
            x = left + _x(tick) * (PANEL - 40)
            parts.append(f'<line x1="{x:.1f}" y1="50" x2="{x:.1f}" y2="{height - 16}" stroke="#ddd"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{height - 3}" text-anchor="middle" fill="#555">{tick:g}</text>'
            )
        for row, workload in enumerate(workloads):
            for index, policy in enumerate(policies):
                seconds = p95[workload, policy][panel]
                y = 56 + ROW * row + 16 * index
                width = max(1.0, _x(seconds) * (PANEL - 40))
                parts.append(
                    f'<rect x="{left}" y="{y}" width="{width:.1f}" height="13" fill="{COLOURS[index]}"/>'
                )
                parts.append(f'<text x="{left + width + 4:.1f}" y="{y + 11}">{seconds:.1f}</text>')
    for row, workload in enumerate(workloads):
        parts.append(
            f'<text x="{LEFT - 8}" y="{56 + ROW * row + 28}" text-anchor="end">{escape(workload)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])

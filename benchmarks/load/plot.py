"""Curves over time as SVG, without a plotting library."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

COLOURS: Final = ("#3a7ca5", "#e0a458", "#7a9e4e", "#b3446c", "#9aa5b1")
WIDTH, PANEL, LEFT, RIGHT, TOP = 860, 130, 60, 190, 30
POINTS = 300
"""Points of each curve; each shows the highest value since the one before."""


def svg(title: str, times_s: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return the picture: a panel for each unit, a curve for each name, all over minutes.

    Args:
        title: For readers who cannot see the picture.
        times_s: When the values were sampled, in seconds.
        panels: unit → name → values.
    """
    height = TOP + (PANEL + 40) * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for index, (unit, curves) in enumerate(panels.items()):
        parts += _panel(TOP + (PANEL + 40) * index, unit, times_s, curves)
    return "\n".join([*parts, "</svg>", ""])


def _panel(top: int, unit: str, times_s: Sequence[float], curves: Mapping[str, Sequence[float]]) -> list[str]:
    end_s, width = times_s[-1], WIDTH - LEFT - RIGHT
    most = _round_up(max(max(values) for values in curves.values()))
    parts = [f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{escape(unit)}</text>']
    for share in (0, 0.5, 1):
        y = top + PANEL * (1 - share)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + width}" y2="{y}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end" fill="#555">{most * share:g}</text>'
        )
    for minute in range(0, math.floor(end_s / 60) + 1, 1 if end_s < 400 else 5):
        x = LEFT + width * 60 * minute / end_s
        parts.append(
            f'<text x="{x:.0f}" y="{top + PANEL + 15}" text-anchor="middle" fill="#555">{minute} min</text>'
        )
    step = max(1, math.ceil(len(times_s) / POINTS))
    for number, (name, values) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{LEFT + width * times_s[at] / end_s:.1f},"
            f"{top + PANEL * (1 - max(values[at : at + step]) / most):.1f}"
            for at in range(0, len(times_s), step)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = top + 14 + 18 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 30}" y="{y}">{escape(name)}</text>')
    return parts


def _round_up(value: float) -> float:
    """Return the next number above *value* that is 1, 2, 4, 6 or 8 times a power of ten."""
    unit = 10 ** math.floor(math.log10(max(value, 1)))
    return next(float(unit * digit) for digit in (1, 2, 4, 6, 8, 10) if unit * digit >= value)

"""The phases of a worker, as docs show them: a picture and a table, from the table of legal moves."""

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from _settings_pages import MARKS

from speechhub.lifecycle.scheduler.states import MOVES, Phase

STEP_X: Final = 150
BOX_X: Final = 104
BOX_Y: Final = 34
MIDDLE_Y: Final = 120
RISE_Y: Final = 30
"""How much higher an arrow reaches for each phase that it passes over."""
HEAD: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13">
<style>text {{ font-family: sans-serif }} path {{ fill: none; stroke: #555 }}</style>
<title>The phases of a worker, and the moves between them</title>
<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<polygon points="0,0 8,4 0,8" fill="#555"/></marker></defs>
<rect width="{width}" height="{height}" fill="white"/>
<circle cx="14" cy="{middle}" r="7" fill="#555"/>
"""


def phases_picture() -> str:
    """Return docs/worker-phases.svg: the phases from left to right, and an arrow for each legal move."""
    phases = list(Phase)
    arrows = [f"M 21 {MIDDLE_Y} H {_left(0)}", *_arrows(phases)]
    boxes = [
        f'<rect x="{_left(place)}" y="{MIDDLE_Y - BOX_Y // 2}" width="{BOX_X}" height="{BOX_Y}" rx="6"'
        f' fill="#e8eef3" stroke="#3a7ca5"/>\n'
        f'<text x="{_left(place) + BOX_X // 2}" y="{MIDDLE_Y + 5}" text-anchor="middle">{phase.value}</text>'
        for place, phase in enumerate(phases)
    ]
    drawn = [f'<path d="{arrow}" marker-end="url(#to)"/>' for arrow in arrows]
    width = _left(len(phases) - 1) + BOX_X + 10
    head = HEAD.format(width=width, height=2 * MIDDLE_Y, middle=MIDDLE_Y)
    return head + "\n".join([*drawn, *boxes, "</svg>"]) + "\n"


def lifecycle_page(text: str) -> str:
    """Return docs/lifecycle.md with the table of the phases made anew.

    Raises:
        ValueError: The page has no place for the table.
    """
    begin, end = MARKS
    parts = re.split(f"{re.escape(begin)}\n|{re.escape(end)}", text)
    if len(parts) != 3:  # noqa: PLR2004  # before, between, behind
        raise ValueError(f"lifecycle.md needs the lines {begin} and {end}, each once.")
    rows = []
    for phase, docstring in _documented():
        following = ", ".join(f"`{other.value}`" for other in Phase if other in MOVES[phase])
        rows.append(f"| `{phase.value}` | {docstring} | {following or 'nothing: the worker is over'} |")
    table = "\n".join(("| Phase | What it means | What may follow |", "| --- | --- | --- |", *rows))
    return f"{parts[0]}{begin}\n\n{table}\n\n{end}{parts[2]}"


def _arrows(phases: list[Phase]) -> Iterator[str]:
    """Yield each arrow's way: straight to the next phase, above or below those that it passes over."""
    for start, phase in enumerate(phases):
        for end, target in enumerate(phases):
            if target not in MOVES[phase]:
                continue
            if end == start + 1:
                yield f"M {_left(start) + BOX_X} {MIDDLE_Y} H {_left(end)}"
                continue
            side = -1 if end % 2 else 1
            edge = MIDDLE_Y + side * BOX_Y // 2
            bend = edge + side * RISE_Y * abs(end - start)
            leaves, arrives = (
                _left(start) + BOX_X // 2 + 10,
                _left(end) + BOX_X // 2 + 12 * (end - start) - 36,
            )
            yield f"M {leaves} {edge} C {leaves + 40} {bend} {arrives - 40} {bend} {arrives} {edge}"


def _left(place: int) -> int:
    return 50 + place * STEP_X


def _documented() -> Iterator[tuple[Phase, str]]:
    """Yield each phase with the docstring below it."""
    [body] = ast.parse(inspect.getsource(Phase)).body
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for before, after in pairwise(statements):
        match before, after:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                yield Phase[name], text

"""The phases of a worker, as docs show them: a picture and a table, from the table of legal moves."""

import inspect
from collections.abc import Iterator
from typing import Final

from _page_blocks import with_block
from _setting_docs import field_docs

from speechhub.lifecycle.scheduler import states
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
    """Return docs/lifecycle.md with its table of phases regenerated."""
    meanings = field_docs(inspect.getsource(states), "Phase")
    rows = []
    for phase in Phase:
        following = ", ".join(f"`{other.value}`" for other in Phase if other in MOVES[phase])
        rows.append(
            f"| `{phase.value}` | {meanings[phase.name]} | {following or 'nothing: the worker is over'} |"
        )
    table = "\n".join(("| Phase | What it means | What may follow |", "| --- | --- | --- |", *rows))
    return with_block(text, "phases", table)


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

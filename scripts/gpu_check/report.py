"""Report of a check: a line for each step, a table, and ``gpu-report.json``."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
"""Raised when a report means something else than before. docs/gpu-check.md describes it."""
MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a step ended."""

    name: str
    held: bool | None
    """Whether all was as it must be; None if it could not be tried here."""
    took_s: float
    limit_s: float
    problem: str = ""
    """What was not as it must be, or why it could not be tried."""
    values: dict[str, Any] = field(default_factory=dict)
    """Names with their units, such as ``load_s`` or ``peak_bytes``."""

    @property
    def mark(self) -> str:
        """Return one word for people."""
        return {True: "ok", False: "FAILED", None: "skipped"}[self.held]


class Report:
    """Of one card; each step that runs again takes the place of its last outcome."""

    def __init__(self, about: dict[str, Any]) -> None:
        """Begin one.

        Args:
            about: The card, the machine, and what was asked for.
        """
        self._about = about
        self._steps: dict[str, Outcome] = {}

    def add(self, outcome: Outcome) -> None:
        """Take note of a step."""
        self._steps[outcome.name] = outcome

    def read(self, path: Path) -> None:
        """Take the steps of an earlier report, if it is on the same card, size and engines."""
        try:
            before = json.loads(path.read_text("utf-8"))
            alike = before["format"] == FORMAT and all(
                before[name] == self._about[name] for name in ("card", "size", "engines", "models")
            )
            steps = [Outcome(**step) for step in before["steps"]] if alike else []
        except (OSError, ValueError, KeyError, TypeError):
            return
        for step in steps:
            self.add(step)

    def write(self, path: Path) -> None:
        """Write the file, in one go."""
        content = {"format": FORMAT, **self._about, "steps": [asdict(it) for it in self._steps.values()]}
        new = path.with_name(f"{path.name}.new")
        try:
            new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)  # half of one, if the disk is full

    def has_held(self, name: str) -> bool:
        """Whether a step held."""
        return name in self._steps and self._steps[name].held is True

    @property
    def held(self) -> bool:
        """Whether no step failed, and one held."""
        found = [it.held for it in self._steps.values()]
        return True in found and False not in found

    def table(self) -> str:
        """Return all steps as Markdown, ready for an issue."""
        lines = ["| step | result | seconds | what was seen |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {it.name} | {it.mark} | {it.took_s:.1f} | {it.problem or summary(it.values)} |"
            for it in self._steps.values()
        ]
        lines += ["", f"Warm-up of the engines: {self._about['warm_up']}."]
        return "\n".join(lines)


def summary(values: dict[str, Any], depth: int = 0) -> str:
    """Return values for people: bytes as megabytes, numbers short; what lies deep is in the file alone."""
    shown = {name: it for name, it in values.items() if depth == 0 or not isinstance(it, dict)}
    return "; ".join(f"{name.removesuffix('_bytes')} {_short(name, it)}" for name, it in shown.items())


def _short(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"({summary(value, 1)})"
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, list):
        return ", ".join(_short(name, it) for it in value)
    return f"{value / MB:.0f} MB" if name.endswith("_bytes") else f"{value:.3g}"

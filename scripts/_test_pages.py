"""Tables that name the tests for each of their rows, read from the markers at the tests.

A row of docs/mission.md, docs/error-scenarios.md or docs/verification.md begins with its name. A test says
which rows it verifies by a marker, such as ``@pytest.mark.mission("3.8")``; in a module's ``pytestmark`` it
holds for all tests of the module. The last cell of each row is made from these markers. The tests are parsed
and not imported, because those of plugins and of speechhub-ray need packages that the hub's environment
does not have.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGES: Final = {
    "mission": "docs/mission.md",
    "scenario": "docs/error-scenarios.md",
    "invariant": "docs/verification.md",
}
"""Marker → the page whose rows it names."""
TESTS: Final = ("tests/**/test_*.py", "plugins/*/tests/**/test_*.py", "deploy/*/tests/**/test_*.py")
_ROW: Final = re.compile(r"^\| (\d+\.\d+|`[a-z0-9-]+`) \|(.*)\|[^|]*\|$", re.MULTILINE)
_MARKER: Final = re.compile(rf"pytest\.mark\.({'|'.join(PAGES)})")
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Verified = dict[str, dict[str, list[str]]]
"""Marker → row → tests, as pytest names them, in the order of their files."""


def verified(root: Path) -> Verified:
    """Return what the tests below *root* say that they verify."""
    found: Verified = {marker: {} for marker in PAGES}
    for path in sorted(path for pattern in TESTS for path in root.glob(pattern)):
        source = path.read_text("utf-8")
        if _MARKER.search(source):
            place = str(path.relative_to(root))
            for marker, row, test in _markers(ast.parse(source).body, place):
                found[marker].setdefault(row, []).append(test)
    return found


def rows(page: str) -> list[str]:
    """Return the names of the rows of *page*, in its order."""
    return [name.strip("`") for name, _ in _ROW.findall(page)]


def tested_page(page: str, tests: dict[str, list[str]]) -> str:
    """Return *page* with the last cell of each row made anew from *tests*."""

    def row(match: re.Match[str]) -> str:
        names = ", ".join(f"`{test}`" for test in tests.get(match[1].strip("`"), ()))
        return f"| {match[1]} |{match[2]}| {names} |"

    return _ROW.sub(row, page)


def _markers(body: list[ast.stmt], place: str) -> Iterator[tuple[str, str, str]]:
    """Give each marker in *body* with the row that it names and the test that it stands at."""
    for node in body:
        if isinstance(node, _DEFINITIONS):
            name = f"{place}::{node.name}"
            for decorator in node.decorator_list:
                for marker, row in _named(decorator):
                    yield marker, row, name
            if isinstance(node, ast.ClassDef):
                yield from _markers(node.body, name)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            values = node.value.elts if isinstance(node.value, ast.List) else [node.value]
            for value in values:
                for marker, row in _named(value):
                    yield marker, row, place


def _named(node: ast.expr) -> Iterator[tuple[str, str]]:
    """Give the rows that a marker names; nothing for what is no such marker."""
    if isinstance(node, ast.Call) and (match := _MARKER.fullmatch(ast.unparse(node.func))):
        for argument in node.args:
            yield match[1], ast.literal_eval(argument)

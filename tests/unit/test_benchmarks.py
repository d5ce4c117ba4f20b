"""Programs that no other test imports still find what they import from speechhub and from the tests."""

import ast
import importlib

import pytest

from tests.docs.pages import ROOT

PROGRAMS = sorted(path for folder in ("benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py"))


def ours(path):
    """Yield the modules of ours that a program imports from, and the names that it takes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        parts = (node.module or "").split(".")
        if parts[0] == "speechhub" or (
            parts[0] == "tests" and (ROOT / "/".join(parts)).with_suffix(".py").is_file()
        ):
            yield node.module, [alias.name for alias in node.names]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_program_imports_is_there(path):
    """A benchmark that a renaming broke would fail only when somebody measures."""
    for module, names in ours(path):
        found = importlib.import_module(module)

        missing = [name for name in names if not hasattr(found, name)]
        assert missing == [], module

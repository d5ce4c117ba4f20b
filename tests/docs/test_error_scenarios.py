"""The page of error scenarios promises tests, refusals and log lines that there are."""

import ast
import re

import pytest

from tests.docs.pages import ROOT, page

ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in page("error-scenarios.md").splitlines()
    if "::" in line
]
SCENARIOS = pytest.mark.parametrize(
    ("scenario", "client", "log", "tests"), ROWS, ids=[row[0] for row in ROWS]
)


def defined(path):
    """Return the names of a module's tests."""
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def events():
    """Return the constant texts that the hub logs."""
    found = {"request"}
    for source in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).rpartition(".")[2]
                in ("info", "warning", "error", "exception", "say")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(node.args[0].value)
    return found


EVENTS = events()


@SCENARIOS
def test_every_scenario_has_tests_that_exist(scenario, client, log, tests):
    """Each line names at least one test, in a module that has it."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)

    assert named
    assert len(named) == tests.count("`") // 2
    assert [name for path, name in named if name not in defined(path)] == []


@SCENARIOS
def test_every_refusal_is_in_the_table_of_the_api(scenario, client, log, tests):
    """What a line says that the client gets is documented where clients look."""
    refusals = re.findall(r"(\d{3}) (`\w+`|–)", client)

    table = page("http-api.md")
    for status, code in refusals:
        assert re.search(
            rf"^\| {status} \| `\w+` \| {'null' if code == '–' else code} \|", table, re.MULTILINE
        )


@SCENARIOS
def test_every_line_of_the_log_is_one_that_is_written(scenario, client, log, tests):
    """What a line says that the log has is an event of the hub's."""
    assert set(re.findall(r"`([^`]+)`", log)) <= EVENTS
    assert log


def test_nothing_is_listed_twice():
    """A scenario has one line."""
    names = [row[0] for row in ROWS]

    assert len(names) == len(set(names)) > 50

"""The page of error scenarios promises refusals and log lines that exist."""

import ast
import re

import pytest

from tests.docs.pages import ROOT, page

ROWS = re.findall(
    r"^\| `([a-z0-9-]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|", page("error-scenarios.md"), re.MULTILINE
)
SCENARIOS = pytest.mark.parametrize(("scenario", "client", "log"), ROWS, ids=[row[0] for row in ROWS])


def events():
    """Return the constant texts that the hub logs."""
    found = {"request", "session"}
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
def test_every_refusal_is_in_the_table_of_the_api(scenario, client, log):
    """What a line says that the client gets is documented where clients look."""
    refusals = re.findall(r"(?<!\d)(\d{3}) (`\w+`|–)", client)

    table = page("http-api.md")
    for status, code in refusals:
        assert re.search(
            rf"^\| {status} \| `\w+` \| {'null' if code == '–' else code} \|", table, re.MULTILINE
        )


@SCENARIOS
def test_every_close_code_is_in_the_table_of_the_api(scenario, client, log):
    """The same, of WebSockets."""
    closes = re.findall(r"close code (\d{4}) (`\w+`(?: or `\w+`)*)", client)

    assert len(closes) == client.count("close code")
    for code, reasons in closes:
        for reason in reasons.split(" or "):
            assert re.search(rf"^\| {code} \| {reason} \|", page("http-api.md"), re.MULTILINE)


@SCENARIOS
def test_every_line_of_the_log_is_one_that_is_written(scenario, client, log):
    """What a line says that the log has is an event of the hub's."""
    assert set(re.findall(r"`([^`]+)`", log)) <= EVENTS
    assert log

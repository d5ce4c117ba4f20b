"""docs/mission.md lists every task, and what it names is there."""

import re

import pytest

from tests.docs.pages import ROOT, page

TASKS = (8, 7, 10, 7, 12, 12, 8, 6, 12, 11, 9, 10, 8, 10, 14, 12, 14, 10)
"""How many tasks each section of the list has that speechhub began with, from section 1 on."""
ROWS = dict(re.findall(r"^\| (\d+\.\d+) (\|.*\|)$", page("mission.md"), re.MULTILINE))
FOLDERS = ("src/", "plugins/", "tests/", "scripts/", "benchmarks/", "deploy/", "docs/")


def named(text):
    """Return the files that a text names, each with the name of a test behind it, or an empty one."""
    spans = re.findall(r"`([^`\s]+)`", text)
    return [
        span.partition("::")[::2] for span in spans if span.startswith(FOLDERS) or (ROOT / span).is_file()
    ]


def test_no_task_is_missing():
    """The rows are those of the list, in its order; the table of sections says the same."""
    wanted = [f"{section}.{task}" for section, most in enumerate(TASKS, 1) for task in range(1, most + 1)]

    assert list(ROWS) == wanted
    assert re.findall(r" (\d+)\.1 to \1\.(\d+) \|$", page("mission.md"), re.MULTILINE) == [
        (str(section), str(most)) for section, most in enumerate(TASKS, 1)
    ]


@pytest.mark.parametrize("task", ROWS)
def test_what_a_task_names_is_there(task):
    """Its files exist and have the tests in them; it is verified by something, or says why it cannot be."""
    _, _, where, verified, _ = ROWS[task].split("|")

    for path, test in named(where) + named(verified):
        assert (ROOT / path).exists(), path
        assert not test or re.search(
            rf"^\s*(async )?def {test}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE
        ), test
    assert where.strip()
    proofs = [path for path, _ in named(verified)]
    assert proofs or verified.strip().startswith(("computed", "not verifiable here, because"))
    assert not [path for path in proofs if path.startswith(("src/", "docs/"))], (
        "a proof is something that runs"
    )
    if "not verifiable" in verified:
        assert "because" in verified

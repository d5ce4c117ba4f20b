"""docs/mission.md lists every task, and what it names is there."""

import re

import pytest

from tests.docs.pages import ROOT, page

TASKS = (8, 7, 10, 7, 12, 12, 8, 6, 12, 11, 9, 10, 8, 10, 14, 12, 14, 10)
"""How many tasks each section of the list has that speechhub began with, from section 1 on."""
ROWS = dict(re.findall(r"^\| (\d+\.\d+) (\|.*\|)$", page("mission.md"), re.MULTILINE))
FOLDERS = ("src/", "plugins/", "tests/", "scripts/", "benchmarks/", "deploy/", "docs/")


def named(text):
    """Return the files that a text names."""
    spans = re.findall(r"`([^`\s]+)`", text)
    return [span for span in spans if span.startswith(FOLDERS) or (ROOT / span).is_file()]


def test_no_task_is_missing():
    """The rows are those of the list, in its order; the table of sections says the same."""
    wanted = [f"{section}.{task}" for section, most in enumerate(TASKS, 1) for task in range(1, most + 1)]

    assert list(ROWS) == wanted
    assert re.findall(r" (\d+)\.1 to \1\.(\d+) \|$", page("mission.md"), re.MULTILINE) == [
        (str(section), str(most)) for section, most in enumerate(TASKS, 1)
    ]


@pytest.mark.parametrize("task", ROWS)
def test_what_a_task_names_is_there(task):
    """Its files exist; tests or something else that runs verify it, or it says why it cannot be verified."""
    _, _, where, otherwise, tests, _ = ROWS[task].split("|")

    proofs = named(otherwise)
    assert [path for path in named(where) + proofs if not (ROOT / path).exists()] == []
    assert where.strip()
    assert tests.strip() or proofs or otherwise.strip().startswith("computed")
    assert not [path for path in proofs if path.startswith(("src/", "docs/", "tests/"))], (
        "a proof is something that runs, and tests say by a marker what they verify"
    )
    if "not verifiable" in otherwise:
        assert "because" in otherwise

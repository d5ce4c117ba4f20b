"""The rows of the pages that name tests, and the markers at the tests, agree."""

import sys

import pytest

from tests.docs.pages import ROOT

sys.path.append(str(ROOT / "scripts"))

import _test_pages

MARKERS = _test_pages.verified(ROOT)
ROWS = {
    marker: _test_pages.rows((ROOT / page).read_text("utf-8")) for marker, page in _test_pages.PAGES.items()
}

EXAMPLE = """
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.invariant("one-load")]


@pytest.mark.mission("1.1", "1.2")
@pytest.mark.parametrize("x", [1])
async def test_both(x): ...


class TestMany:
    @pytest.mark.mission("1.1")
    def test_in_a_class(self): ...
"""
PAGE = """\
| Task | What | Tests |
| --- | --- | --- |
| 1.1 | one | `gone` |
| 1.2 | two | |
| 1.3 | three | `gone` |
"""


@pytest.mark.parametrize("marker", ROWS)
def test_no_row_is_named_twice(marker):
    """A row's name is its own, and each page has rows."""
    assert len(ROWS[marker]) == len(set(ROWS[marker])) > 40


@pytest.mark.parametrize("marker", ROWS)
def test_markers_name_rows_that_exist(marker):
    """A marker with a slip in it is found, with its test."""
    assert {row: tests for row, tests in MARKERS[marker].items() if row not in ROWS[marker]} == {}


@pytest.mark.parametrize(
    ("marker", "row"), [(marker, row) for marker in ("scenario", "invariant") for row in ROWS[marker]]
)
def test_every_row_has_a_test(marker, row):
    """A failure or an invariant without a test is only a claim; test_mission.py has the rule for tasks."""
    assert MARKERS[marker].get(row)


def test_markers_are_read_wherever_they_stand(tmp_path):
    """At functions, at methods, and for all of a module; in tests of the hub, of plugins and of deploy."""
    for place in ("tests/unit", "plugins/speechhub-x/tests", "deploy/x/tests/more"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "test_it.py").write_text(EXAMPLE, "utf-8")

    found = _test_pages.verified(tmp_path)

    places = [
        f"{place}/test_it.py" for place in ("deploy/x/tests/more", "plugins/speechhub-x/tests", "tests/unit")
    ]
    assert found["scenario"] == {}
    assert found["invariant"] == {"one-load": places}
    assert found["mission"] == {
        "1.1": [f"{it}::{name}" for it in places for name in ("test_both", "TestMany::test_in_a_class")],
        "1.2": [f"{it}::test_both" for it in places],
    }


def test_the_last_cell_of_each_row_is_made_anew():
    """What stood there goes, and the rest of the page stays."""
    made = _test_pages.tested_page(PAGE, {"1.1": ["a::b", "c"]})

    assert made == PAGE.replace("`gone`", "`a::b`, `c`", 1).replace("two | |", "two |  |").replace(
        "`gone`", ""
    )

"""Tables and sizes that people can read."""

import pytest

from speechhub.cli._tables import print_table, readable, some


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (145_217_532, "145 MB"),
        (1_950_000_000, "1.9 GB"),
        (84_300_000_000, "84 GB"),
        (3_200_000_000_000, "3.2 TB"),
    ],
)
def test_sizes_have_two_or_three_digits(size_bytes, shown):
    """A size is short enough for a table and exact enough for a decision."""
    assert readable(size_bytes) == shown


def test_long_lists_are_cut():
    """A hundred languages do not fill the screen."""
    assert some(["a", "b", "c", "d"], 2) == "a, b +2"
    assert some(["a", "b"], 2) == "a, b"
    assert some([], 2) == ""


def test_a_table_prints_brackets(capsys):
    """Text that looks like markup is text."""
    print_table(("name", "about"), [("[bold]", "[/red] x"), ("b", "")])

    assert capsys.readouterr().out.splitlines()[1].rstrip() == "[bold]  [/red] x"


def test_a_wide_cell_breaks_in_the_last_column(capsys, monkeypatch):
    """The other columns stay whole at 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    print_table(("name", "about"), [("a-rather-long-name-of-a-model", "word " * 40)])

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "a-rather-long-name-of-a-model" in lines[1]

"""Commands that are told to a person, in the words that the person can type."""

import os
import sys

import pytest

from speechhub.cli._typed import as_typed

TOLD = "It is missing: speechhub engines install qwen-asr. 'speechhub models list' shows what speechhub has."


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder whose environment has the program, which was called by its whole path."""
    program = tmp_path / ".venv" / "bin" / "speechhub"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "doctor"])
    monkeypatch.setenv("PATH", "/usr/bin")
    return program


def test_in_a_clone_it_has_its_path(clone):
    """A shell finds no speechhub there; only commands are changed, and each of them."""
    assert as_typed(TOLD) == (
        "It is missing: .venv/bin/speechhub engines install qwen-asr. "
        "'.venv/bin/speechhub models list' shows what speechhub has."
    )


def test_elsewhere_the_path_is_whole(clone, tmp_path, monkeypatch):
    """A path that is relative to another folder would lead nowhere."""
    (tmp_path / "other folder").mkdir()
    monkeypatch.chdir(tmp_path / "other folder")

    assert as_typed("speechhub setup --cpu") == f"{clone} setup --cpu"
    assert as_typed(as_typed("speechhub setup --cpu")) == f"{clone} setup --cpu"


def test_what_the_shell_finds_goes_by_its_name(clone, tmp_path, monkeypatch):
    """Through a link, too; another speechhub on the PATH is not this one."""
    elsewhere = tmp_path / "bin"
    elsewhere.mkdir()
    monkeypatch.setenv("PATH", f"{elsewhere}{os.pathsep}/usr/bin")
    (elsewhere / "speechhub").symlink_to(clone)

    assert as_typed(TOLD) == TOLD

    (elsewhere / "speechhub").unlink()
    (elsewhere / "speechhub").write_text("#!/bin/sh\n")
    (elsewhere / "speechhub").chmod(0o755)

    assert as_typed("speechhub setup") == ".venv/bin/speechhub setup"


def test_a_path_with_a_space_is_quoted(clone, tmp_path, monkeypatch):
    """So that it can be copied."""
    moved = tmp_path / "my clone" / "speechhub"
    moved.parent.mkdir()
    clone.rename(moved)
    monkeypatch.setattr(sys, "argv", [str(moved)])

    assert as_typed("speechhub doctor") == "'my clone/speechhub' doctor"


@pytest.mark.parametrize("called", ["/usr/lib/speechhub/__main__.py", "/nowhere/speechhub", "-c"])
def test_another_way_to_call_it_changes_nothing(monkeypatch, called):
    """Such as ``python -m speechhub``: what it is called there cannot be told."""
    monkeypatch.setattr(sys, "argv", [called])

    assert as_typed(TOLD) == TOLD


def test_errors_are_told_so(clone, run):
    """In each error's line, as in the table of what is here."""
    shown = run("speak", "hi", "--model", "indextts-2", "-o", "hi.wav")

    assert ": .venv/bin/speechhub engines install indextts." in shown.stderr
    assert "'.venv/bin/speechhub engines install ENGINE' installs them" in run("models", "list").stdout

"""Help that teaches: every command shows how it is called and explains each of its options."""

import re

import click
import pytest

from speechhub import __version__
from speechhub.cli import main


def commands(command=main, path=()):
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


ALL = pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda v: getattr(v, "name", None))


@ALL
def test_help_has_an_example(run, path, command):
    """The help of a command shows a line that can be typed."""
    shown = run(*path, "--help")

    call = " ".join(("speechhub", *path))
    assert shown.exit_code == 0
    assert re.search(rf"^ +.*{call} (?!\[|COMMAND)|^ +{call}$|\$\({call} ", shown.output, re.MULTILINE)


@ALL
def test_help_explains_every_option(run, path, command):
    """Each option is there, with a sentence about it."""
    shown = run(*path, "-h").output

    for param in command.params:
        if isinstance(param, click.Option):
            assert param.opts[-1] in shown
            assert re.match(r"[A-Z\d].*[.\]]$", param.help), param.name


@ALL
def test_summary_is_whole(path, command):
    """In the list of commands, no summary is cut off."""
    for below in getattr(command, "commands", {}).values():
        summary = below.get_short_help_str(limit=60)
        assert summary.endswith(".")
        assert not summary.endswith("...")


@pytest.mark.mission("2.1")
def test_version(run):
    """The version is told with the program's name."""
    assert run("--version").output == f"speechhub, version {__version__}\n"

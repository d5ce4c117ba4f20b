"""Ctrl-C in a process that runs a command."""

import subprocess
import sys

INTERRUPTED = """
import asyncio
import click
from speechhub.cli._root import RootGroup

@click.group(cls=RootGroup)
def main():
    pass

@main.command()
def go():
    never_awaited = asyncio.sleep(1)
    raise KeyboardInterrupt

main(["go"])
"""


def test_ctrl_c_between_two_steps_of_asyncio_is_one_word():
    """A coroutine that it leaves without a start is nothing that a person could do anything about."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (130, "interrupted\n")

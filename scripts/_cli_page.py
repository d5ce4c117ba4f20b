"""docs/cli.md: the help of every command, as people see it."""

from collections.abc import Iterator

import click

from speechhub.cli import main

HEAD = """\
# The command line

[Index](index.md)

`speechhub COMMAND --help` prints what stands here.
`transcribe` and `speak` work without a server: they start the engine that they need, use it and end it.
With `--url` they ask a running server instead, which has its engines loaded already.

The exit status is 0 if a command did what it was asked for, and 2 if it was called wrongly.
It is 1 if something went wrong; one line on standard error says what.
Logs go to standard error, results to standard output.

<!-- made by scripts/generate_docs.py from here -->
"""
WIDTH = 80


def cli_page() -> str:
    """Return the text of docs/cli.md."""
    parts = [HEAD]
    for path, text in _helps(main, "speechhub", None):
        parts.append(f"## {path}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    # The application's own width would be the terminal's that the generator happens to run in.
    settings = {**command.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _helps(found, below, context)

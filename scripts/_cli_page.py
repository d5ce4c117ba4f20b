"""docs/cli.md: the help of every command, as people see it."""

from collections.abc import Iterator

import click

from speechhub.cli import main
from speechhub.cli._root import STATUSES

HEAD = """\
# The command line

[Index](index.md)

`speechhub COMMAND --help` prints what stands here.
`transcribe` and `speak` work without a server: they start the engine that they need, use it and end it.
With `--url` they ask a running server instead, which has its engines loaded already.

Logs go to standard error, results to standard output.

## Exit statuses

| Status | Meaning |
| --- | --- |
{statuses}

An error is one line that begins with `error:` and says what happened and what to do next.
`serve` and `top` run until Ctrl-C, which is their ordinary end, with status 0.

## Colours

A terminal gets colours, a pipe or a file does not.
[`NO_COLOR`](https://no-color.org) turns them off.
[`FORCE_COLOR`](https://force-color.org) turns them on; where both are set, `NO_COLOR` wins.
With `TERM=dumb` there are neither colours nor progress bars.

<!-- made by scripts/generate_docs.py from here -->
"""
WIDTH = 80


def cli_page() -> str:
    """Return the text of docs/cli.md."""
    rows = [f"| {status} | {meaning} |" for status, meaning in STATUSES.items()]
    parts = [HEAD.format(statuses="\n".join(rows))]
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

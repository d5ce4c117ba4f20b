"""Output for programs: one JSON value with stable fields."""

import json

import click

JSON_HELP = "Print JSON for programs; fields are only ever added."


def print_json(value: object) -> None:
    """Print *value* as JSON, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))

"""``speechhub engines load``, ``unload``, ``pin`` and ``unpin``: the engines of a running server."""

from collections.abc import Callable
from typing import Final

import click

from speechhub.cli._server import own_address

ACTIONS: Final = {
    "load": (
        "Make a model of a running server ready.",
        "The device switches to it if another one is there; the command ends when it is ready.",
    ),
    "unload": (
        "End a model's engine on a running server.",
        "Its running work finishes first; the command ends when the process is gone.",
    ),
    "pin": (
        "Let a model keep its device on a running server.",
        "It is not replaced, nor unloaded when idle; requests that do not fit beside it are refused.",
    ),
    "unpin": (
        "End a model's pin on a running server.",
        "Other models can use the device again.",
    ),
}
"""Command → what it does, and what that means."""


def operator_commands() -> list[click.Command]:
    """Return the commands, which ask the server's operators' routes."""
    return [_command(name, *words) for name, words in ACTIONS.items()]


def _command(name: str, summary: str, more: str) -> click.Command:
    run: Callable[..., None] = click.argument("model")(lambda **given: _ask(name, **given))
    run = click.option(
        "--url", default=own_address, show_default="host and port of the settings", help="The server."
    )(run)
    run = click.option(
        "--api-key", envvar="OPENAI_API_KEY", show_envvar=True, help="Key of an operator, if there are some."
    )(run)
    example = f"\b\nspeechhub engines {name} whisper-base"
    return click.command(name, short_help=summary, help=f"{summary}\n\n{more}\n\n{example}")(run)


def _ask(action: str, model: str, url: str, api_key: str | None) -> None:
    from speechhub.cli._server import check, connected

    with connected(url, api_key) as client:
        answer = client.post(f"engines/{action}", json={"model": model})
        check(answer)
        shown = answer.json()
    pinned = ", pinned" if shown["pinned"] else ""
    click.echo(f"{shown['id']} on {shown['device']}: {shown['state']}{pinned}")

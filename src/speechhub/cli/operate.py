"""``speechhub engines load``, ``switch``, ``unload``, ``pin`` and ``unpin``: a running server's engines."""

from collections.abc import Callable
from typing import Final

import click

from speechhub.cli._server import of_replica, own_address

ACTIONS: Final = {
    "load": (
        "Load a model on a running server.",
        "If another model holds the device, the device switches; the command ends when the model is ready.",
    ),
    "unload": (
        "Stop a model's engine on a running server.",
        "Its running work finishes first; the command ends when the process is gone.",
    ),
    "pin": (
        "Keep a model on its device on a running server.",
        "It is neither replaced nor unloaded when idle; requests that do not fit beside it are refused.",
    ),
    "unpin": (
        "Remove a model's pin on a running server.",
        "Other models can use the device again.",
    ),
}
"""Command → summary, and what it means."""


def operator_commands() -> list[click.Command]:
    """Return the commands; each calls one of the server's routes for operators."""
    return [*(_command(name, *words) for name, words in ACTIONS.items()), _switch_command()]


def _command(name: str, summary: str, more: str) -> click.Command:
    run: Callable[..., None] = click.argument("model")(lambda **given: _ask(name, **given))
    example = f"\b\nspeechhub engines {name} whisper-base"
    return click.command(name, short_help=summary, help=f"{summary}\n\n{more}\n\n{example}")(_of_server(run))


def _switch_command() -> click.Command:
    summary = "Switch a slot of a running server to a model."
    more = (
        "SLOT is stt, speech to text, or tts, text to speech. "
        "Without MODEL it is the slot's default model; ends when the model is ready."
    )
    examples = "\b\nspeechhub engines switch stt\nspeechhub engines switch tts piper-en-us-joe"
    run: Callable[..., None] = click.argument("model", required=False)(
        lambda **given: _ask("switch", **given)
    )
    run = click.argument("slot")(run)
    return click.command("switch", short_help=summary, help=f"{summary}\n\n{more}\n\n{examples}")(
        _of_server(run)
    )


def _of_server(run: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which server, and with which key."""
    run = of_replica(run)
    run = click.option(
        "--url", default=own_address, show_default="host and port of the settings", help="The server."
    )(run)
    return click.option(
        "--api-key", envvar="OPENAI_API_KEY", show_envvar=True, help="Operator's key, if the server has any."
    )(run)


def _ask(action: str, *, url: str, api_key: str | None, replica: str | None, **body: str | None) -> None:
    from speechhub.cli._server import check, connected

    with connected(url, api_key, replica) as client:
        answer = client.post(f"engines/{action}", json=body)
        check(answer)
        shown = answer.json()
    pinned = ", pinned" if shown["pinned"] else ""
    where = f" of {shown['replica']}" if shown.get("replica") else ""
    click.echo(f"{shown['id']} on {shown['device']}{where}: {shown['state']}{pinned}")

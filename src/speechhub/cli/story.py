"""``speechhub engines story``: why requests wait at a running server, and what happened to its engines."""

from datetime import datetime, timedelta
from typing import Any

import click

from speechhub.cli._json import JSON_HELP, print_json
from speechhub.cli._server import of_replica, own_address


@click.command(short_help="Explain why requests wait at a running server.")
@click.option("--model", help="Show what concerns the device of this model.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.option("--url", default=own_address, show_default="host and port of the settings", help="The server.")
@click.option(
    "--api-key",
    envvar="OPENAI_API_KEY",
    show_envvar=True,
    help="An operator's key, if the server has operators' keys.",
)
@of_replica
def story(model: str | None, as_json: bool, url: str, api_key: str | None, replica: str | None) -> None:
    """Explain why requests wait at a running server, and tell what happened to its engines last.

    Numbers of requests are the server's own, in the order in which they came.
    The JSON has the events themselves, too; add it to a report about a queue that does not move.

    \b
    speechhub engines story
    speechhub engines story --model whisper-base
    speechhub engines story --json
    """  # noqa: D301
    from speechhub.cli._server import check, connected

    with connected(url, api_key, replica) as client:
        answer = client.get("engines/story", params={"model": model} if model else {})
        check(answer)
        told = answer.json()
    if as_json:
        print_json(told)
        return
    now = datetime.now().astimezone()
    for moment in told["moments"]:
        at = now - timedelta(seconds=told["now_s"] - moment["at_s"])
        for line in moment["lines"]:
            click.echo(f"{at:%H:%M:%S}.{at.microsecond // 1000:03}  {', '.join(moment['devices'])}: {line}")
    if told["moments"]:
        click.echo()
    click.echo("\n".join(_waits(told)) or "No request waits.")


def _waits(told: dict[str, Any]) -> list[str]:
    return [
        f"{wait['model']} on {wait['device']}: {len(wait['requests'])} waiting for {wait['oldest_s']:.1f} s "
        f"(request {wait['requests'][0]} is the oldest): {wait['reason']}."
        for wait in told["waiting"]
    ]

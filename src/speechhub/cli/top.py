"""``speechhub top``."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from speechhub.cli._json import print_json
from speechhub.cli._server import of_replica, own_address

if TYPE_CHECKING:
    import httpx
    from rich.console import RenderableType


@click.command(short_help="Watch what a running server does.")
@click.option("--url", default=own_address, show_default="host and port of the settings", help="The server.")
@click.option("--api-key", envvar="OPENAI_API_KEY", show_envvar=True, help="Key for --url.")
@of_replica
@click.option("--once", is_flag=True, help="Print it once and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer of /health, once, as JSON.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds.")
def top(
    url: str, api_key: str | None, replica: str | None, once: bool, as_json: bool, interval: float
) -> None:
    """Watch what a running server does: devices, queues, switches and GPU memory; Ctrl-C ends it.

    Where several servers answer at the address, it watches the one that answers first, or --replica.

    \b
    speechhub top
    speechhub top --once --url http://my-server:8000
    """  # noqa: D301
    import time

    from rich.live import Live

    from speechhub.cli._server import connected
    from speechhub.cli._terminal import animated, console

    screen = console(sys.stdout)
    with connected(url, api_key, replica) as client:

        def look() -> "RenderableType":
            return _screen(_health(client, any_replica=replica is None))

        if as_json:
            print_json(_health(client, any_replica=replica is None))
            return
        if once:
            screen.print(look())
            return
        rewritten = animated(sys.stdout)
        with (
            Live(look(), console=screen, screen=True, auto_refresh=False)
            if rewritten
            else nullcontext() as live
        ):
            try:
                while True:
                    if live:
                        live.update(look(), refresh=True)
                    else:  # print one state below the other
                        screen.print(look())
                    time.sleep(interval)
            except KeyboardInterrupt:
                return


def _health(client: "httpx.Client", *, any_replica: bool) -> Any:
    """Return what the server says; of several, stay with the one that answered before, while it is there."""
    from speechhub.cli._server import check

    address = client.base_url.copy_with(path="/health")
    response = client.get(address)
    if response.status_code == HTTPStatus.NOT_FOUND and any_replica:
        client.params = client.params.remove("replica")
        response = client.get(address)
    check(response)
    health = response.json()
    if health.get("replica"):
        client.params = client.params.set("replica", health["replica"])
    return health


def _screen(health: Mapping[str, Any]) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    from speechhub.cli._tables import readable, table

    status = str(health["status"])
    if "version" not in health:
        return Text(f"{status}; the server shows details only with a key (--api-key)")
    waits = f": no progress for {', '.join(health['stalled'])}" if health["stalled"] else ""
    head = Text(f"{status}{waits}", style="green" if status == "ok" else "bold red")
    head.append(f"  speechhub {health['version']}, up {health['uptime_s']:.0f} s", style="default")
    if health.get("replica"):
        head.append(f"  {health['replica']}, of {', '.join(health['replicas'])}", style="default")
    devices = table(
        ("device", "state", "models", "standby", "last switch"),
        [
            (
                d["name"],
                d["state"],
                ", ".join(d["ready_models"]) or "-",
                d["standby"] or "-",
                _switch(d["last_switch"]),
            )
            for d in health["devices"]
        ],
    )
    switches = table(
        ("switch", "count", "last", "mean", "p50", "p95"),
        [
            (
                f"{s['leaving'] or 'none'} → {s['target']}",
                str(s["count"]),
                *(f"{s['steps']['total'][f'{kind}_s']:.2f} s" for kind in ("last", "mean", "p50", "p95")),
            )
            for s in health["switches"]
        ],
    )
    models = table(
        ("model", "device", "state", "for", "busy", "waiting", "oldest", "pinned"),
        [
            (
                m["id"],
                m["device"],
                "failing" if m["failing"] else m["state"],
                f"{m['state_s']:.0f} s" if m["epoch"] else "-",
                "yes" if m["busy"] else "-",
                str(m["waiting"]),
                f"{m['oldest_wait_s']:.1f} s" if m["waiting"] else "-",
                "yes" if m["pinned"] else "-",
            )
            for m in health["models"]
        ],
    )
    failing = [
        f"{m['id']} could not be loaded, {m['failing']['failures']} times in a row; "
        + (
            f"tried again in {m['failing']['retry_in_s']:.0f} s"
            if m["failing"]["retry_in_s"]
            else "next try at once"
        )
        + f": {m['failing']['error']}"
        for m in health["models"]
        if m["failing"]
    ]
    moved = list(
        dict.fromkeys(f"{m['id']}: {m['device_note']}" for m in health["models"] if m.get("device_note"))
    )
    gpus = [
        f"GPU {g['index']} {g['name']}: "
        + (
            "no answer"
            if g["used_bytes"] is None
            else f"{readable(g['used_bytes'])} of {readable(g['total_bytes'])} used"
            + (", nearly full" if g["nearly_full"] else "")
            + (", memory is leaking" if g["leak_suspected"] else "")
        )
        for g in health["gpus"]
    ] or [str(health["gpu_problem"])]
    last: list[RenderableType] = [Text("\n".join(failing), style="red"), Text()] if failing else []
    last += [Text("\n".join(moved), style="yellow"), Text()] if moved else []
    times: list[RenderableType] = [switches, Text()] if health["switches"] else []
    return Group(head, Text(), devices, Text(), models, Text(), *times, *last, Text("\n".join(gpus)))


def _switch(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "-"
    steps = [f"{name} {took_s:.2f}" for name, took_s in last["steps_s"].items() if took_s >= 0.005]
    return f"{last['leaving'] or 'none'} → {last['target']} {last['total_s']:.2f} s ({', '.join(steps)})"

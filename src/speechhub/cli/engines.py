"""``speechhub engines``."""

import click


@click.command(short_help="List the engines that are installed.")
def engines() -> None:
    """List the engines that are installed, and plugins that could not be read.

    An engine is a pip package: install one beside speechhub and it appears here.

    \b
    pip install speechhub-whisper
    speechhub engines
    """  # noqa: D301
    from speechhub.cli._tables import print_table, some
    from speechhub.discovery import discover

    found = discover()
    if found.engines:
        specs = [(engine.spec, engine.distribution) for engine in found.engines]
        print_table(
            ("engine", "task", "devices", "package", "models"),
            [
                (s.name, s.slot.value, ", ".join(s.devices), package, some([m.id for m in s.models], 3))
                for s, package in specs
            ],
        )
        click.echo()
        for spec, _ in specs:
            about = f"{spec.name}: {spec.description or 'no description'}."
            click.echo(click.wrap_text(about, width=79, subsequent_indent="  "))
    else:
        click.echo("No engine is installed. Try: pip install speechhub-whisper speechhub-piper")
    for plugin in found.broken:
        mark = click.style("broken", fg="red", bold=True)
        click.echo(f"{mark} {plugin.distribution} ({plugin.entry_point}): {plugin.error}")

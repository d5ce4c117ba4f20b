"""``speechhub engines``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechhub.cli._json import JSON_HELP, print_json
from speechhub.cli.operate import operator_commands
from speechhub.cli.story import story
from speechhub.environments.signals import ended_by_signals

if TYPE_CHECKING:
    from speechhub.engine import EngineSpec
    from speechhub.environments.folders import EnvironmentHome
    from speechhub.settings import Settings


@click.group(
    invoke_without_command=True, short_help="List and install engines; operate those of a running server."
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.pass_context
def engines(context: click.Context, as_json: bool) -> None:
    """List the installed engines, and plugins that could not be read.

    An engine is a pip package.
    Install it beside speechhub, or into its own environment, where its libraries cannot conflict with others:

    \b
    pip install speechhub-whisper
    speechhub engines install qwen-asr
    speechhub engines

    The commands load, unload, pin and unpin operate the engines of a running server.
    """  # noqa: D301
    if context.invoked_subcommand is None:
        show_engines(as_json=as_json)


@engines.command("list", short_help="List the installed engines.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def list_engines(as_json: bool) -> None:
    """List the installed engines, as 'speechhub engines' alone does.

    \b
    speechhub engines list
    """  # noqa: D301
    show_engines(as_json=as_json)


def show_engines(*, as_json: bool) -> None:
    """Print the installed engines and the broken plugins."""
    from speechhub.cli._settings import own_settings
    from speechhub.cli._tables import print_table, some
    from speechhub.environments.find import discover_all

    found = discover_all(own_settings().engines_dir)
    if as_json:
        print_json(
            {
                "engines": [
                    {
                        "name": engine.spec.name,
                        "task": engine.spec.slot.value,
                        "devices": list(engine.spec.devices),
                        "package": engine.distribution,
                        "environment": engine.environment or None,
                        "description": engine.spec.description,
                        "models": [model.id for model in engine.spec.models],
                    }
                    for engine in found.engines
                ],
                "broken": [
                    {"package": plugin.distribution, "entry_point": plugin.entry_point, "error": plugin.error}
                    for plugin in found.broken
                ],
            }
        )
        return
    if found.engines:
        print_table(
            ("engine", "task", "devices", "package", "models"),
            [
                (
                    engine.spec.name,
                    engine.spec.slot.value,
                    ", ".join(engine.spec.devices),
                    engine.distribution,
                    some([m.id for m in engine.spec.models], 3),
                )
                for engine in found.engines
            ],
        )
        click.echo()
        for engine in found.engines:
            own = " It has its own environment." if engine.environment else ""
            about = f"{engine.spec.name}: {engine.spec.description or 'no description'}.{own}"
            click.echo(click.wrap_text(about, width=79, subsequent_indent="  "))
    else:
        click.echo("No engine is installed. Try: pip install 'speechhub[cpu]'")
    for plugin in found.broken:
        mark = click.style("broken", fg="red", bold=True)
        click.echo(f"{mark} {plugin.distribution} ({plugin.entry_point}): {plugin.error}")


@engines.command("install", short_help="Install an engine into its own environment.")
@click.argument("engine")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="Take ENGINE from this folder of plugins or wheels, not from the package index.",
)
@click.option(
    "-e",
    "--editable",
    is_flag=True,
    help="Run ENGINE, a plugin's folder, in place: changes there take effect without installing again.",
)
@click.option(
    "--build", default="auto", help="Build of PyTorch: cpu, cu126 …; auto chooses by the GPU and its driver."
)
@click.option(
    "--torch",
    default="",
    help="Version of PyTorch, if the plugin names none, or to replace the one that it names.",
)
@click.option(
    "--pins",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the exact packages to install, such as the freeze.txt of another machine.",
)
@click.option(
    "--accept-license",
    is_flag=True,
    help="Confirm that you have read and accept the licences of the engine's models.",
)
def install(
    engine: str,
    folder: Path | None,
    editable: bool,
    build: str,
    torch: str,
    pins: Path | None,
    accept_license: bool,
) -> None:
    """Install ENGINE into its own environment; run it again to upgrade.

    ENGINE is a name, such as qwen-asr or qwen-asr==1.2, or the path of a plugin's folder or wheel.
    An installed engine stays until the new one is complete and its import has been tested;
    a failed or interrupted installation changes nothing.
    Some engines then build files that would otherwise add minutes to their first load; Ctrl-C during that
    step leaves the engine installed.
    A running server keeps the engine that it has, and uses the new one after a restart.
    With --editable, an engine's author can change its code and run 'speechhub engines unload MODEL':
    the next request runs the new code. After a change of the spec, restart the server.
    Some models' licences have conditions: --accept-license accepts them; until then those models are refused.

    \b
    speechhub engines install qwen-asr
    speechhub engines install ./plugins/speechhub-echo
    speechhub engines install --editable ./my-engine
    speechhub engines install qwen-asr --build cu126
    """  # noqa: D301
    import time

    from speechhub.cli._tables import readable, some
    from speechhub.environments.folders import home_of
    from speechhub.environments.install import Wishes, install_engine
    from speechhub.environments.record import spec_of
    from speechhub.environments.source import find_source
    from speechhub.log import configure_logging
    from speechhub.mirrors import MIRRORS
    from speechhub.store.folder import size_of

    settings = _settings()
    configure_logging("critical", settings.log_format)  # the command itself prints what matters
    started_s = time.monotonic()
    source = find_source(engine, folder)
    if editable and not Path(source.requirement).is_dir():
        raise click.UsageError(f"--editable needs the folder of a plugin, which {engine!r} is not.")
    wishes = Wishes(build=build, torch=torch, pins=pins, offline=settings.offline, editable=editable)
    with ended_by_signals():
        record = install_engine(
            source, settings.engines_dir, mirror=MIRRORS[settings.mirror], wishes=wishes, say=_say
        )
    home = home_of(settings.engines_dir, record.name)
    names = [str(found.spec["name"]) for found in record.description.engines]
    size = readable(size_of(home.folder(record)))
    click.echo(f"{record.name}: {some(names, 5)} installed, {size}, {time.monotonic() - started_s:.0f} s")
    specs = [spec_of(found.spec) for found in record.description.engines]
    accept_licences(settings, specs, accept=accept_license)
    if home.unused():
        _say("the former environment stays for servers that run from it; 'engines check --clean' deletes it")


def accept_licences(settings: "Settings", specs: "list[EngineSpec]", *, accept: bool) -> None:
    """Accept the licences of these engines' models if *accept*; print which are still to be accepted."""
    from speechhub.cli._licences import licence_lines
    from speechhub.store import Licences

    licences = Licences(settings.licences_file, accepted=settings.accept_licenses)
    models = [model for spec in specs for model in spec.models]
    if accept:
        for model in licences.accept(models):
            for line in licence_lines(model):
                _say(line)
            _say(f"{model.id}: accepted")
    for model in models:
        if refusal := licences.refusal(model):
            _say(refusal.message)


@engines.command("remove", short_help="Delete engines' environments.")
@click.argument("names", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(names: tuple[str, ...], yes: bool) -> None:
    """Delete the environments NAMES; models, and engines installed beside speechhub, stay.

    \b
    speechhub engines remove qwen-asr
    speechhub engines remove qwen-asr --yes
    """  # noqa: D301
    from speechhub.cli._tables import readable
    from speechhub.environments.install import remove_engine

    for home in [_find(_settings(), name) for name in names]:
        if not yes:
            click.confirm(f"Delete {home.path}?", abort=True)
        click.echo(f"{home.name}: {readable(remove_engine(home, _say))} freed")


@engines.command("check", short_help="Check that engines' environments work.")
@click.argument("names", nargs=-1)
@click.option("--clean", is_flag=True, help="Also delete former and half-made environments.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def check(names: tuple[str, ...], clean: bool, as_json: bool) -> None:
    """Import the engines' code in the environments NAMES, or in all; exit status 1 if one fails.

    It also compares the packages with those that were installed, and names unused environments: former ones,
    and remains of an installation that was killed.

    \b
    speechhub engines check
    speechhub engines check qwen-asr --clean
    speechhub engines check --json
    """  # noqa: D301
    from speechhub.cli._tables import readable
    from speechhub.environments.check import check_environment
    from speechhub.environments.folders import homes
    from speechhub.environments.install import clean_home
    from speechhub.store.folder import size_of

    settings = _settings()
    chosen = [_find(settings, name) for name in names] or homes(settings.engines_dir)
    if not chosen and not as_json:
        click.echo("No engine has its own environment.")
    told: list[dict[str, object]] = []
    for home in chosen:
        problems = check_environment(home)
        unused = [(str(folder), size_of(folder)) for folder in home.unused()]
        told.append(
            {
                "name": home.name,
                "ok": not problems,
                "problems": problems,
                "unused": [{"path": path, "size_bytes": size_bytes} for path, size_bytes in unused],
            }
        )
        if not as_json:
            for line in problems or ["works"]:
                click.echo(f"{home.name}: {line}")
            for path, size_bytes in unused:
                click.echo(f"{home.name}: {path} is not used, {readable(size_bytes)}")
        if clean:
            clean_home(home, _say)
    sound = all(environment["ok"] for environment in told)
    if as_json:
        print_json({"ok": sound, "environments": told})
    sys.exit(0 if sound else 1)


def _settings() -> "Settings":
    from speechhub.cli._settings import own_settings

    return own_settings()


def _find(settings: "Settings", name: str) -> "EnvironmentHome":
    from speechhub.environments.folders import environment_name, home_of
    from speechhub.errors import RequestError

    home = home_of(settings.engines_dir, environment_name(name))
    if not home.path.is_dir():
        raise RequestError(f"There is no environment {home.name!r}; 'speechhub engines' shows what there is.")
    return home


def _say(text: str) -> None:
    click.echo(f"speechhub: {text}", err=True)


for command in (*operator_commands(), story):
    engines.add_command(command)

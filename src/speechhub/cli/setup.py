"""``speechhub setup``."""

from pathlib import Path

import click


@click.command(short_help="Install what this machine's GPU can serve, and fetch the models.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask whether to go on.")
@click.option(
    "--accept-license", is_flag=True, help="Say that you have read and accept the licences of the models."
)
@click.option("--engine", "engines", multiple=True, metavar="ENGINE", help="Install this one alone.")
@click.option("--with", "parts", multiple=True, metavar="PART", help="An optional part of a model to fetch.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder with plugins or wheels, to take engines from instead of the package index.",
)
@click.option("--cpu", "on_cpu", is_flag=True, help="Install for the CPU, whatever GPU there is.")
def setup(
    yes: bool,
    accept_license: bool,
    engines: tuple[str, ...],
    parts: tuple[str, ...],
    folder: Path | None,
    on_cpu: bool,
) -> None:
    """Look at this machine's GPU, install the engines that suit it, and fetch their models.

    It says first, in a table, what it will install and what that costs: downloads, disk, memory of the GPU,
    and licences with conditions.
    Then it asks once; --yes goes on without.
    --yes does not accept a licence: --accept-license does, or the answer to a question of its own.
    Without a terminal to ask at, and without these options, it stops there.

    What is there already is not installed again, and what was interrupted goes on where it ended.
    Nothing is written outside of SPEECHHUB_HOME, but for the caches of pip and uv.
    On a machine without a GPU it tells what it would do on one, and installs nothing.

    \b
    speechhub setup
    speechhub setup --yes --accept-license
    speechhub setup --engine qwen-asr --with aligner
    SPEECHHUB_MIRROR=china speechhub setup
    """  # noqa: D301
    from speechhub.cli._setting_up import Answers, set_up
    from speechhub.cli._settings import read_own
    from speechhub.cli._typed import as_typed

    answers = Answers(
        yes=yes,
        accept_license=accept_license,
        engines=engines,
        parts=parts,
        folder=folder,
        on_cpu=on_cpu,
    )
    plan = set_up(read_own(), answers)
    if plan is not None:
        click.echo(as_typed("Now serve: speechhub serve. A server that is running has to be started again."))

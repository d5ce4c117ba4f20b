"""``speechhub setup``."""

from pathlib import Path

import click


@click.command(short_help="Install what this machine's GPU can serve, and fetch the models.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--accept-license", is_flag=True, help="Confirm that you have read and accept the models' licences."
)
@click.option("--engine", "engines", multiple=True, metavar="ENGINE", help="Install only this engine.")
@click.option("--with", "parts", multiple=True, metavar="PART", help="An optional part of a model to fetch.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="Take engines from this folder of plugins or wheels, not from the package index.",
)
@click.option("--cpu", "on_cpu", is_flag=True, help="Install for the CPU, even if there is a GPU.")
def setup(
    yes: bool,
    accept_license: bool,
    engines: tuple[str, ...],
    parts: tuple[str, ...],
    folder: Path | None,
    on_cpu: bool,
) -> None:
    """Install the engines that suit this machine's GPU, and fetch their models.

    It first prints a table of what it will install and what that costs: downloads, disk, GPU memory, and
    licences with conditions.
    Then it asks once; --yes continues without asking.
    --yes does not accept a licence: --accept-license does, or the answer to a separate question.
    Without a terminal to ask at, and without these options, it stops there.

    What is already there is not installed again, and an interrupted setup continues where it ended.
    Nothing is written outside SPEECHHUB_HOME, except the caches of pip and uv.
    On a machine without a GPU, it shows what it would do on a machine with one, and installs nothing.

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
        click.echo(as_typed("Now run: speechhub serve. If a server is already running, restart it."))

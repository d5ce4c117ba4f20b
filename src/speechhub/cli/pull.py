"""``speechhub models pull``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from speechhub.cli._weights import Shelf, Weights


@click.command("pull", short_help="Fetch files, so that the first request need not wait.")
@click.argument("names", nargs=-1)
@click.option("--defaults", is_flag=True, help="Also fetch the default models of this machine.")
@click.option("--offline", is_flag=True, help="Use installed packages only; make no connections.")
@click.option("--with", "parts", multiple=True, metavar="PART", help="An optional part to fetch as well.")
@click.option("--accept-license", is_flag=True, help="Confirm that you have read and accept the licences.")
@click.option("--pin/--no-pin", default=None, help="Keep exactly these files from now on, or undo that.")
@click.option(
    "--dry-run", is_flag=True, help="List files, sizes and licences, as the hub reports them; fetch nothing."
)
def pull_models(
    names: tuple[str, ...],
    defaults: bool,
    offline: bool,
    parts: tuple[str, ...],
    accept_license: bool,
    pin: bool | None,
    dry_run: bool,
) -> None:
    """Fetch the files of models NAMES, so that the first request need not wait.

    The engine of a model need not be installed yet: the files of all models that speechhub knows can be
    fetched in advance.
    An interrupted pull continues where it ended, and files that are in place are not fetched again.
    Progress goes to standard error: a bar on a terminal, otherwise a line every few seconds.
    The licence of the weights is printed there too, because some have conditions.
    If conditions must be accepted, --accept-license accepts them, once; on a terminal the command asks.
    Some models have optional parts, such as a second model that times words; --with fetches them as well, for
    each named model that has a part of that name.
    A part that was fetched is verified and removed together with its model.

    Some engines name a branch of a repository, whose contents can change between two pulls.
    --pin records the commit and the SHA-256 of each file that is in place; later pulls fetch exactly these
    files or fail, even after 'speechhub models remove'.
    --no-pin undoes that, and fetches what the branch holds now.

    \b
    speechhub models pull whisper-base piper-en-us-joe
    speechhub models pull --defaults
    speechhub models pull --dry-run qwen3-asr-0.6b indextts-2
    speechhub models pull qwen3-asr-0.6b --with aligner
    speechhub models pull qwen3-asr-0.6b --pin
    speechhub models pull --offline whisper-base
    speechhub models pull --accept-license my-model
    SPEECHHUB_MIRROR=china speechhub models pull my-model
    """  # noqa: D301
    from speechhub.cli._typed import as_typed
    from speechhub.cli._weights import open_shelf

    if not names and not defaults:
        raise click.UsageError("Name the models to fetch, or use --defaults.")
    shelf = open_shelf(names if not defaults else (), offline=offline)
    wanted = _wanted(shelf, names, defaults=defaults)
    chosen = {one.name: own_parts(one, wanted, parts) for one in wanted}
    if dry_run:
        from speechhub.cli._preview import print_preview

        print_preview(shelf, wanted, chosen)
        return
    if pin:
        _check_pinnable(wanted)
    agree_to_licences(shelf, wanted, chosen, accept=accept_license)
    for one in wanted:
        if pin is False and shelf.store.unpin(one.model):
            click.echo(f"{one.name}: no longer pinned")
        folder = fetch(shelf, one, chosen[one.name])
        click.echo(f"{one.name}: {folder or 'needs no files'}")
        if pin:
            for line in shelf.store.pin(one.model) or ["the engine itself fixes its files; no pin is needed"]:
                click.echo(f"{one.name}: {line}")
    for engine in dict.fromkeys(one.engine for one in wanted if one.engine):
        click.echo(as_typed(f"The engine is not installed yet: speechhub engines install {engine}"), err=True)


def _wanted(shelf: "Shelf", names: Sequence[str], *, defaults: bool) -> list["Weights"]:
    """Return the models of these names, each once, and with *defaults* the default models of this machine."""
    wanted = [shelf.find(name) for name in names]
    if defaults and shelf.hub is not None:
        wanted += [shelf.find(name) for name in shelf.hub.catalog.defaults.values() if name]
    return list({one.name: one for one in wanted}.values())


def _check_pinnable(wanted: Sequence["Weights"]) -> None:
    from speechhub.errors import RequestError

    for one in wanted:
        if one.local:
            raise RequestError(
                f"Model {one.name!r} is in your own folder {one.local}, which is used as it is: "
                "there is nothing to pin."
            )


def own_parts(one: "Weights", among: Sequence["Weights"], parts: Sequence[str]) -> tuple[str, ...]:
    """Return those of *parts* that the model has.

    Raises:
        ModelFilesError: A part's name belongs to none of the models in *among*.
    """
    from speechhub.store import check_part_names

    everywhere = {part.name for other in among for part in other.model.parts}
    check_part_names(one.model, [part for part in parts if part not in everywhere])
    own = {part.name for part in one.model.parts}
    return tuple(part for part in parts if part in own)


def agree_to_licences(
    shelf: "Shelf", wanted: Sequence["Weights"], parts: dict[str, tuple[str, ...]], *, accept: bool
) -> None:
    """Print the licences; accept those with conditions if *accept*, or if the operator agrees at a terminal.

    Raises:
        LicenceNotAcceptedError: A licence is not accepted.
        click.Abort: The answer was not yes.
    """
    from speechhub.cli._licences import licence_lines

    for one in wanted:
        for line in licence_lines(one.model, parts[one.name]):
            click.echo(line, err=True)
        if not shelf.licences.allow(one.model) and (accept or asked_to_accept(one)):
            shelf.licences.accept([one.model])
        shelf.licences.check(one.model)


def asked_to_accept(one: "Weights") -> bool:
    """Ask on the terminal whether a licence is accepted; return False without a terminal.

    Raises:
        click.Abort: The answer was not yes.
    """
    from speechhub.cli._terminal import attended

    if not attended():
        return False
    click.echo(
        f"The licence of {one.name}, {one.model.licence}, has conditions: who may use it, for what, and how "
        f"it is passed on. Read them at {one.model.licence_url or 'its page'}",
        err=True,
    )
    return click.confirm(f"Have you read it, and do you accept it for {one.name}?", abort=True, err=True)


def fetch(shelf: "Shelf", one: "Weights", parts: Sequence[str]) -> object:
    """Put the files of a model in place, showing progress; return their folder, if it has files."""
    from speechhub.cli._progress import progress
    from speechhub.store import PullProgress

    with progress(one.name) as advance:

        def show(state: PullProgress) -> None:
            advance(
                state.done_bytes,
                state.total_bytes,
                fetched_bytes=state.fetched_bytes,
                waiting=state.waiting,
            )

        return shelf.store.resolve(
            one.model, local=one.local, search_path=one.search_path, on_progress=show, extras=parts
        )

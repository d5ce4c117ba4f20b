"""``speechhub models``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from speechhub.cli._json import JSON_HELP, print_json

if TYPE_CHECKING:
    from speechhub.lifecycle.placement import Placement
    from speechhub.services.hub import Hub
    from speechhub.store import ModelStatus


class OnProgress(Protocol):
    """Shows how far something has come."""

    def __call__(self, done_bytes: int, total_bytes: int | None, waiting: str = "", /) -> None:
        """Take the bytes that are done, those in all if they are known, and why it waits if it does."""


@click.group(short_help="Show models; fetch, check and remove their files.")
def models() -> None:
    """Show models; fetch, check and remove their files.

    \b
    speechhub models list
    speechhub models pull whisper-base piper-en-us-joe
    """  # noqa: D301


@models.command("list", short_help="List all models and where their files are.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def list_models(as_json: bool) -> None:
    """List every model that can be served here, where its files are, and the names that mean it.

    \b
    The column 'files' says where a model's files stand:
      ready     in place, with the space they take, where they came from, and optional parts
      wheel     in installed packages; the first use puts them in place, without a network
      hub       to be downloaded, by the first use or by 'speechhub models pull'
      missing   nowhere to be had as things are set; the line below the table says what helps

    Below the table stands which of these models you pinned, and of which the next pull may bring other files.

    \b
    speechhub models list
    """  # noqa: D301
    from speechhub.cli._here import open_hub
    from speechhub.cli._tables import print_table, some

    hub = open_hub()
    if as_json:
        print_json(_described(hub))
        return
    rows, troubles, names, extras, pinned, moving = [], [], dict[str, list[str]](), [], [], []
    for listing in hub.catalog.listings():
        place = listing.placement
        if listing.alias_of:
            names.setdefault(listing.alias_of, []).append(listing.name)
            continue
        files, wrong = _files_of(hub, place)
        troubles += [f"{listing.name}: {trouble}" for trouble in wrong]
        status = _status(hub, place)
        pinned += [f"{listing.name}: {source}" for source in status.pinned]
        moving += [f"{listing.name}: {source}" for source in status.moving]
        languages = some(place.model.languages, 3) or "?"
        here = hub.store.parts(place.model, local=place.path)
        extras += [
            f"{listing.name}: {p.name}" for p in place.model.parts if p.optional and p.name not in here
        ]
        rows.append(
            (listing.name, place.slot.value, place.engine.spec.name, place.device.name, languages, files)
        )
    if not rows:
        click.echo("There are no models, since no engine is installed; 'speechhub engines' says more.")
        return
    print_table(("model", "task", "engine", "device", "languages", "files"), rows)
    if troubles:
        click.echo("\n" + "\n".join(troubles))
    _print_below("Optional parts, fetched by 'speechhub models pull MODEL --with PART':", extras)
    _print_below("Pinned: a pull brings the same files again, or none:", pinned)
    _print_below(
        "Unpinned: the next pull may bring other files; 'speechhub models pull MODEL --pin' holds on to "
        "those that are here:",
        moving,
    )
    _print_below(
        "Other names for them:",
        [f"{model}: {some(sorted(others, key=len), 3)}" for model, others in sorted(names.items())],
    )


def _print_below(title: str, lines: list[str]) -> None:
    """Print what the table has no room for; nothing if there is nothing."""
    if lines:
        click.echo("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))


def _described(hub: "Hub") -> list[dict[str, object]]:
    """Return what `list_models` tells, for programs."""
    listings = hub.catalog.listings()
    described: list[dict[str, object]] = []
    for place in (it.placement for it in listings if not it.alias_of):
        status, (_, troubles) = _status(hub, place), _files_of(hub, place)
        described.append(
            {
                "name": place.target,
                "task": place.slot.value,
                "engine": place.engine.spec.name,
                "device": place.device.name,
                "languages": list(place.model.languages),
                "files": status.state.value,
                "path": str(status.path) if status.path else None,
                "size_bytes": status.size_bytes,
                "parts": list(status.parts),
                "pinned": list(status.pinned),
                "unpinned": list(status.moving),
                "problems": troubles,
                "aliases": sorted(it.name for it in listings if it.alias_of == place.target),
            }
        )
    return described


def _files_of(hub: "Hub", place: "Placement") -> tuple[str, list[str]]:
    """Return what the table says about a model's files, and what keeps the model from being used."""
    from speechhub.cli._tables import readable
    from speechhub.store import ModelState

    status = _status(hub, place)
    refusal = hub.licences.refusal(place.model)
    wrong = [refusal.message] if refusal else []
    if status.state is ModelState.MISSING:
        wrong.insert(0, status.detail)
    wrong += [f"{fault}." for fault in status.pin_faults]
    if status.state is not ModelState.READY:
        return status.state.value, wrong
    origin = status.origin.partition(":")[0]
    if not origin:
        return "ready, needs none", wrong
    parts = "".join(f" +{part}" for part in status.parts)
    return f"ready, {readable(status.size_bytes)}, {origin}{parts}", wrong


def _status(hub: "Hub", place: "Placement") -> "ModelStatus":
    return hub.store.status(place.model, local=place.path, search_path=place.engine.search_path)


@models.command("pull", short_help="Fetch files, so that the first request need not wait.")
@click.argument("names", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Take files from installed packages only; connect to nothing.")
@click.option("--with", "parts", multiple=True, metavar="PART", help="An optional part to fetch, too.")
@click.option("--accept-license", is_flag=True, help="Say that you have read and accept the licences.")
@click.option(
    "--pin/--no-pin", default=None, help="Hold on to exactly these files from now on, or take that back."
)
def pull_models(
    names: tuple[str, ...], offline: bool, parts: tuple[str, ...], accept_license: bool, pin: bool | None
) -> None:
    """Fetch the files of models NAMES, so that the first request need not wait.

    A pull that was interrupted goes on where it ended, and files that are in place are left alone.
    The licence of the weights is told on standard error, since not all of them are free of conditions.
    Where it has conditions that must be accepted, --accept-license does so, once.
    Some models have optional parts, such as a second model that times words; --with fetches them as well.
    Once a part is there, it is verified and removed with its model.

    Some engines name a branch of a repository, and what it holds can change between two pulls.
    --pin writes down the commit and the SHA-256 of each file that is in place, and later pulls bring these
    files or none, also after 'speechhub models remove'.
    --no-pin takes that back, and fetches what the branch holds now.

    \b
    speechhub models pull whisper-base piper-en-us-joe
    speechhub models pull qwen3-asr-0.6b --with aligner
    speechhub models pull qwen3-asr-0.6b --pin
    speechhub models pull --offline whisper-base
    speechhub models pull --accept-license my-model
    SPEECHHUB_MIRROR=china speechhub models pull my-model
    """  # noqa: D301
    from speechhub.cli._here import open_hub
    from speechhub.cli._licences import licence_lines
    from speechhub.errors import RequestError
    from speechhub.store import PullProgress, check_part_names

    hub = open_hub(**({"offline": True} if offline else {}))
    places = [_find(hub, name) for name in names]
    for place in places:
        check_part_names(place.model, parts)
        for line in licence_lines(place.model, parts):
            click.echo(line, err=True)
        if accept_license:
            hub.licences.accept([place.model])
        hub.licences.check(place.model)
        if pin and place.path:
            raise RequestError(
                f"Model {place.target!r} lies in your own folder {place.path}, which is used as it is: "
                "there is nothing to pin."
            )
    for place in places:
        if pin is False and hub.store.unpin(place.model):
            click.echo(f"{place.target}: no longer pinned")
        with _bar(place.target) as advance:

            def show(state: PullProgress, advance: OnProgress = advance) -> None:
                advance(state.done_bytes, state.total_bytes, state.waiting)

            folder = hub.store.resolve(
                place.model,
                local=place.path,
                search_path=place.engine.search_path,
                on_progress=show,
                extras=parts,
            )
        click.echo(f"{place.target}: {folder or 'needs no files'}")
        if pin:
            for line in hub.store.pin(place.model) or ["the engine itself fixes its files; no pin is needed"]:
                click.echo(f"{place.target}: {line}")


@models.command("verify", short_help="Read files again and compare them with their checksums.")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def verify_models(names: tuple[str, ...], as_json: bool) -> None:
    """Read every file of models NAMES again and compare it with its checksum; without NAMES, of all models.

    A damaged copy is not used again: the next use, or 'speechhub models pull', fetches it anew.
    The exit status is 1 if something is wrong.

    \b
    speechhub models verify
    speechhub models verify whisper-base
    speechhub models verify --json
    """  # noqa: D301
    from speechhub.cli._here import open_hub

    hub = open_hub()
    places = [_find(hub, name) for name in names] or _with_files(hub)
    if not places and not as_json:
        click.echo("No model has files here.")
    told: list[dict[str, object]] = []
    for place in places:
        problems, compared_bytes = _verify(hub, place)
        told.append(
            {
                "name": place.target,
                "ok": not problems,
                "problems": problems,
                "compared_bytes": compared_bytes,
            }
        )
        if not as_json:
            for line in problems or [_soundness(place, compared_bytes)]:
                click.echo(f"{place.target}: {line}")
    sound = all(it["ok"] for it in told)
    if as_json:
        print_json({"ok": sound, "models": told})
    sys.exit(0 if sound else 1)


def _with_files(hub: "Hub") -> list["Placement"]:
    """Return the models whose files are in place."""
    places = [listing.placement for listing in hub.catalog.listings() if not listing.alias_of]
    return [place for place in places if _status(hub, place).path]


def _needs_none(place: "Placement") -> bool:
    return not place.model.needs_files and place.path is None


def _verify(hub: "Hub", place: "Placement") -> tuple[list[str], int]:
    """Return what is wrong with a model's files, and how many bytes were compared with checksums."""
    from speechhub.errors import ModelFilesError

    if _needs_none(place):
        return [], 0
    size_bytes = _status(hub, place).size_bytes
    done = 0
    with _bar(place.target) as advance:

        def count(n_bytes: int) -> None:
            nonlocal done
            done += n_bytes
            advance(done, size_bytes or None)

        try:
            return list(hub.store.verify(place.model, local=place.path, on_bytes=count)), done
        except ModelFilesError as error:  # the other models are verified all the same
            return [error.message], done


def _soundness(place: "Placement", compared_bytes: int) -> str:
    if _needs_none(place):
        return "needs no files"
    unchecked = "" if compared_bytes else " (there are no checksums to compare with)"
    return f"all files are as they should be{unchecked}"


@models.command("remove", short_help="Delete files from the store.")
@click.argument("names", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove_models(names: tuple[str, ...], yes: bool) -> None:
    """Delete the files of models NAMES from the store, unfinished downloads included.

    Folders of your own and installed packages are left alone.
    A model stays listed, and its next use fetches its files again.

    \b
    speechhub models remove whisper-base
    speechhub models remove whisper-base --yes
    """  # noqa: D301
    from speechhub.cli._here import open_hub
    from speechhub.cli._tables import readable

    hub = open_hub()
    for place in [_find(hub, name) for name in names]:
        if not yes:
            click.confirm(f"Delete the files of {place.target}?", abort=True)
        freed_bytes = hub.store.remove(place.model)
        own = f"; your folder {place.path} stays" if place.path else ""
        click.echo(f"{place.target}: {readable(freed_bytes)} freed{own}")


@models.command("path", short_help="Print the folder with a model's files.")
@click.argument("name")
def path_of_model(name: str) -> None:
    """Print the folder with the files of model NAME, for scripts; exit status 1 if they are not in place.

    \b
    du -sh "$(speechhub models path whisper-base)"
    """  # noqa: D301
    from speechhub.cli._here import open_hub
    from speechhub.errors import ModelFilesError

    hub = open_hub()
    place = _find(hub, name)
    status = _status(hub, place)
    if status.path is None:
        raise ModelFilesError(f"Model {place.target!r} has no files here. {status.detail}".strip())
    click.echo(status.path)


def _find(hub: "Hub", name: str) -> "Placement":
    """Return the model that *name* means."""
    from speechhub.errors import ModelNotFoundError, RequestError

    try:
        return hub.catalog.find(name).placement
    except ModelNotFoundError as error:
        raise RequestError(
            f"There is no model {name!r}; 'speechhub models list' shows what there is."
        ) from error


@contextmanager
def _bar(title: str) -> Iterator[OnProgress]:
    """Show a progress bar on standard error, if that is a terminal and there is progress to show.

    What is waited for becomes a line, on a terminal or not.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from speechhub.cli._terminal import animated, console

    shown = console(sys.stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown, transient=True, disable=not animated(sys.stderr)) as progress:
        bar = progress.add_task(title, total=None)

        def show(done_bytes: int, total_bytes: int | None, waiting: str = "", /) -> None:
            progress.update(bar, completed=done_bytes, total=total_bytes)
            if waiting:
                shown.print(f"{title}: {waiting}", markup=False, soft_wrap=True)

        yield show

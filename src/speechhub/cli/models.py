"""``speechhub models``."""

import sys
from typing import TYPE_CHECKING

import click

from speechhub.cli._json import JSON_HELP, print_json
from speechhub.cli.pull import pull_models

if TYPE_CHECKING:
    from speechhub.cli._weights import Shelf, Weights
    from speechhub.hub import Hub
    from speechhub.placement import Placement
    from speechhub.store import ModelStatus


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
    """List every model that can be served here, where its files are, and its other names.

    \b
    The column 'files' says where a model's files are:
      ready     in place, with their size, where they came from, and optional parts
      wheel     in installed packages; the first use puts them in place, without a network
      hub       on a model hub; the first use or 'speechhub models pull' downloads them
      missing   not available from any configured source; the line below the table says what to do

    Lines below the table say which of these models you pinned, and for which the next pull may fetch
    different files.

    \b
    speechhub models list
    """  # noqa: D301
    from speechhub.cli._here import open_hub
    from speechhub.cli._tables import print_table, some
    from speechhub.placement import notes

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
        click.echo("There are no models, because no engine is installed; see 'speechhub engines'.")
        _print_below(OTHERS, _others(hub))
        return
    print_table(("model", "task", "engine", "device", "languages", "files"), rows)
    if troubles:
        click.echo("\n" + "\n".join(troubles))
    _print_below("Optional parts, fetched by 'speechhub models pull MODEL --with PART':", extras)
    _print_below("Pinned: a pull fetches the same files again, or fails:", pinned)
    _print_below(
        "Unpinned: the next pull may fetch different files; 'speechhub models pull MODEL --pin' keeps those "
        "that are here:",
        moving,
    )
    _print_below(
        "Not on their best device:",
        [f"{engine}: {note}" for engine, note in notes(hub.manager.placements.values())],
    )
    _print_below(
        "Other names for them:",
        [f"{model}: {some(sorted(others, key=len), 3)}" for model, others in sorted(names.items())],
    )
    _print_below(OTHERS, _others(hub))


OTHERS = "Known, but not installed; 'speechhub engines install ENGINE' installs them:"


def _others(hub: "Hub") -> list[str]:
    """Return a line for each known engine that is not installed, with its models."""
    from speechhub.environments.known import not_installed

    engines = not_installed(hub.installed)
    return [f"{engine.name}: {', '.join(model.id for model in engine.models)}" for engine in engines]


def _print_below(title: str, lines: list[str]) -> None:
    """Print lines below the table, under *title*; print nothing if there are none."""
    from speechhub.cli._typed import as_typed

    if lines:
        click.echo(as_typed("\n".join([f"\n{title}", *(f"  {line}" for line in lines)])))


def _described(hub: "Hub") -> list[dict[str, object]]:
    """Return what `list_models` prints, as JSON values."""
    listings = hub.catalog.listings()
    described: list[dict[str, object]] = []
    for place in (listing.placement for listing in listings if not listing.alias_of):
        status, (_, troubles) = _status(hub, place), _files_of(hub, place)
        described.append(
            {
                "name": place.model.id,
                "task": place.slot.value,
                "engine": place.engine.spec.name,
                "device": place.device.name,
                "device_note": place.device_note,
                "languages": list(place.model.languages),
                "files": status.state.value,
                "path": str(status.path) if status.path else None,
                "size_bytes": status.size_bytes,
                "parts": list(status.parts),
                "pinned": list(status.pinned),
                "unpinned": list(status.moving),
                "problems": troubles,
                "aliases": sorted(one.name for one in listings if one.alias_of == place.model.id),
            }
        )
    return described


def _files_of(hub: "Hub", place: "Placement") -> tuple[str, list[str]]:
    """Return the table's cell about a model's files, and the reasons why the model cannot be used."""
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


@models.command("verify", short_help="Read files again, and compare them with their checksums.")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def verify_models(names: tuple[str, ...], as_json: bool) -> None:
    """Read every file of models NAMES, or of all models, again, and compare it with its checksum.

    A damaged copy is not used again: the next use, or 'speechhub models pull', fetches a new one.
    The exit status is 1 if something is wrong.

    \b
    speechhub models verify
    speechhub models verify whisper-base
    speechhub models verify --json
    """  # noqa: D301
    from speechhub.cli._weights import open_shelf

    shelf = open_shelf(names)
    wanted = [shelf.find(name) for name in names] or _with_files(shelf)
    if not wanted and not as_json:
        click.echo("No model has files here.")
    told: list[dict[str, object]] = []
    for one in wanted:
        problems, compared_bytes = _verify(shelf, one)
        told.append(
            {
                "name": one.name,
                "ok": not problems,
                "problems": problems,
                "compared_bytes": compared_bytes,
            }
        )
        if not as_json:
            for line in problems or [_soundness(one, compared_bytes)]:
                click.echo(f"{one.name}: {line}")
    sound = all(model["ok"] for model in told)
    if as_json:
        print_json({"ok": sound, "models": told})
    sys.exit(0 if sound else 1)


def _with_files(shelf: "Shelf") -> list["Weights"]:
    """Return the models whose files are in place."""
    return [one for one in [*shelf.served(), *shelf.others()] if one.status(shelf.store).path]


def _needs_none(one: "Weights") -> bool:
    return not one.model.needs_files and one.local is None


def _verify(shelf: "Shelf", one: "Weights") -> tuple[list[str], int]:
    """Return the problems of a model's files, and how many bytes were compared with checksums."""
    from speechhub.cli._progress import progress
    from speechhub.errors import ModelFilesError

    if _needs_none(one):
        return [], 0
    size_bytes = one.status(shelf.store).size_bytes
    done = 0
    with progress(one.name) as advance:

        def count(n_bytes: int) -> None:
            nonlocal done
            done += n_bytes
            advance(done, size_bytes or None, fetched_bytes=done)

        try:
            return list(shelf.store.verify(one.model, local=one.local, on_bytes=count)), done
        except ModelFilesError as error:  # still verify the other models
            return [error.message], done


def _soundness(one: "Weights", compared_bytes: int) -> str:
    if _needs_none(one):
        return "needs no files"
    unchecked = "" if compared_bytes else " (there are no checksums to compare with)"
    return f"all files match{unchecked}"


@models.command("remove", short_help="Delete files from the store.")
@click.argument("names", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove_models(names: tuple[str, ...], yes: bool) -> None:
    """Delete the files of models NAMES from the store, including unfinished downloads.

    Your own folders and installed packages are not touched.
    A model stays listed, and its next use fetches its files again.

    \b
    speechhub models remove whisper-base
    speechhub models remove whisper-base --yes
    """  # noqa: D301
    from speechhub.cli._tables import readable
    from speechhub.cli._weights import open_shelf

    shelf = open_shelf(names)
    for one in [shelf.find(name) for name in names]:
        if not yes:
            click.confirm(f"Delete the files of {one.name}?", abort=True)
        freed_bytes = shelf.store.remove(one.model)
        own = f"; your folder {one.local} stays" if one.local else ""
        click.echo(f"{one.name}: {readable(freed_bytes)} freed{own}")


@models.command("path", short_help="Print the folder with a model's files.")
@click.argument("name")
def path_of_model(name: str) -> None:
    """Print the folder with the files of model NAME, for scripts; exit status 1 if they are not in place.

    \b
    du -sh "$(speechhub models path whisper-base)"
    """  # noqa: D301
    from speechhub.cli._weights import open_shelf
    from speechhub.errors import ModelFilesError

    shelf = open_shelf([name])
    one = shelf.find(name)
    status = one.status(shelf.store)
    if status.path is None:
        raise ModelFilesError(f"Model {one.name!r} has no files here. {status.detail}".strip())
    click.echo(status.path)


models.add_command(pull_models)

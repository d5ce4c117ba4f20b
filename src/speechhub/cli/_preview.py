"""Preview of a pull, as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from speechhub.cli._weights import Shelf, Weights
    from speechhub.engine import ModelSpec
    from speechhub.store import Preview


def print_preview(shelf: "Shelf", wanted: Sequence["Weights"], parts: Mapping[str, Sequence[str]]) -> None:
    """Print each model's files with their sizes, where they come from, and licences; fetch nothing."""
    from speechhub.cli._tables import readable
    from speechhub.cli._typed import as_typed

    total_bytes, sure, faults, unreachable = 0, True, list[str](), ""
    for one in wanted:
        accepted = shelf.licences.allow(one.model)
        click.echo(as_typed("\n".join(_head(one, accepted=accepted))))
        previews = (
            shelf.store.preview(
                one.model, search_path=one.search_path, extras=parts[one.name], unreachable=unreachable
            )
            if one.local is None
            else ()
        )
        for preview in previews:
            lines, size_bytes, known = _lines(one.model, preview)
            click.echo("\n".join(lines))
            total_bytes += size_bytes
            sure = sure and known
            unreachable = preview.fault if preview.unreachable else unreachable
            faults += [preview.fault] if preview.fault and preview.fault not in faults else []
        for part in one.model.parts:
            if part.optional and part.name not in parts[one.name]:
                size = f", {_about(part.download_bytes)}" if part.download_bytes else ""
                click.echo(f"  left out: the part {part.name}{size}; --with {part.name} fetches it")
    click.echo(f"\nTo fetch: {'' if sure else 'about '}{readable(total_bytes)}")
    for fault in faults:
        click.echo(f"Not all sizes are known: {fault}", err=True)


def _head(one: "Weights", *, accepted: bool) -> Iterator[str]:
    from speechhub.cli._licences import licence_text

    yield one.name
    yield f"  licence: {licence_text(one.model)}{'' if accepted else '; to accept it: --accept-license'}"
    if one.engine:
        yield f"  engine: not installed; speechhub engines install {one.engine}"
    if one.local:
        yield f"  files: in your own folder {one.local}; nothing is fetched"
    elif not one.model.needs_files:
        yield "  files: none"


def _lines(model: "ModelSpec", preview: "Preview") -> tuple[list[str], int, bool]:
    """Return the lines for the files of one source, the bytes to fetch, and whether that number is exact."""
    from speechhub.cli._tables import readable
    from speechhub.store import ModelState

    part = next((part for part in model.parts if part.name == preview.part), None)
    rough_bytes = part.download_bytes if part else model.download_bytes
    sizes = [file.size_bytes for file in preview.files]
    size_bytes = preview.size_bytes if preview.size_bytes is not None else rough_bytes
    here = preview.state is ModelState.READY
    what = f"part {part.name}" if part else "files"
    licence = f", {part.licence}" if part and part.licence else ""
    size = readable(size_bytes) if preview.size_bytes is not None else _about(rough_bytes)
    there = "in place" if here else f"from {preview.source or 'nowhere'}"
    lines = [f"  {what}: {there}, {size}{licence}"]
    width = max((len(file.path) for file in preview.files), default=0)
    for file, file_bytes in zip(preview.files, sizes, strict=True):
        lines.append(f"    {file.path:<{width}}  {readable(file_bytes) if file_bytes is not None else '?'}")
    if not preview.files:
        lines.append("    all files of the repository; only the hub can list them")
    known = preview.size_bytes is not None
    return lines, 0 if here else size_bytes, here or known


def _about(size_bytes: int) -> str:
    from speechhub.cli._tables import readable

    return f"about {readable(size_bytes)}" if size_bytes else "size unknown"

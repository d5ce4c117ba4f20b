"""The unit that the store puts in place: files with one source and one folder."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speechhub.engine import HubSource, ModelFile, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.paths import below

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
"""Matches a revision that always means the same files: a full commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """A model's own files, or those of one of its parts."""

    key: str
    """Unique in the store: the model's id, followed by the part's name."""
    title: str
    """Name of the file set in messages."""
    folder: str
    """Path inside the model's folder, with forward slashes; empty for the model's own files."""
    files: tuple[ModelFile, ...]
    """Empty means all files that the hub has."""
    hub: HubSource | None
    part: str = ""
    """Name of the part; empty for the model's own files."""
    optional: bool = False
    """Whether it is fetched only on request."""
    pinned: bool = False
    """Whether the operator pinned it; *files* and *hub* are then what the pin requires."""
    pin_fault: str = ""
    """Why the pin cannot be read, and what to do; nothing may be downloaded then. Empty without a fault."""

    @property
    def moving(self) -> str:
        """``owner/name@revision`` if its files can change; empty if they cannot."""
        if self.hub is None or COMMIT.fullmatch(self.hub.revision):
            return ""
        if self.files and all(file.sha256 for file in self.files):
            return ""
        return f"{self.hub.repo}@{self.hub.revision}"

    def folder_in(self, home: Path) -> Path:
        """Return the folder of these files in *home*, the model's folder."""
        return below(home, self.folder, links_out=True) if self.folder else home


def file_sets(model: ModelSpec) -> Iterator[FileSet]:
    """Yield the file sets of a model, its own files first; none if it has no files."""
    if model.files or model.hub is not None:
        yield FileSet(key=model.id, title=f"model {model.id!r}", folder="", files=model.files, hub=model.hub)
    for part in model.parts:
        yield FileSet(
            key=f"{model.id}#{part.name}",
            title=f"part {part.name!r} of model {model.id!r}",
            folder=part.folder,
            files=part.files,
            hub=part.hub,
            part=part.name,
            optional=part.optional,
        )


def check_part_names(model: ModelSpec, names: Collection[str]) -> None:
    """Check that the model has parts of these names.

    Raises:
        ModelFilesError: The model has no such part.
    """
    known = [part.name for part in model.parts]
    for name in names:
        if name not in known:
            raise ModelFilesError(
                f"Model {model.id!r} has no part {name!r}; its parts: {', '.join(known) or 'none'}."
            )

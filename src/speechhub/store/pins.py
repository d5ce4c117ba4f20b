"""The operator's pins: for a set of files, the commit and the checksums that later pulls must meet.

If an engine names a branch of a repository, the next download may bring different files. A pin prevents that:
it is made from the files in place, and holds until the operator removes it, however often the files are
removed and fetched again.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec

from speechhub.engine import ModelFile
from speechhub.home import Damage, explained, folder_damage, keep_aside, read_record
from speechhub.store.file_set import FileSet
from speechhub.store.layout import safe_name
from speechhub.store.manifest import Manifest

FilePath = Annotated[str, msgspec.Meta(pattern=r"^(?!/)(?!(.*/)?\.\.(/|$)).+$")]
"""Path inside the model's folder that does not lead out of it."""


class PinnedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was when it was pinned."""

    path: FilePath
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size_bytes: int


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What later pulls of a set of files must fetch."""

    key: str
    """Key of the set: the model's id, followed by a part's name."""
    repo: str
    revision: str
    """Branch or tag that the engine named; if the engine names another source now, the pin is ignored."""
    commit: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{40})?$")] = ""
    """Commit to request from the hub; empty if unknown: then only the checksums are compared."""
    files: tuple[PinnedFile, ...]
    pinned_at: int
    """Unix seconds."""


class Pins:
    """Files with one pin each, in one folder; keeps nothing in memory. One instance per process.

    A pin that cannot be read affects no other pin, and only stops downloads of its own set: files in place
    stay in use.
    """

    def __init__(self, folder: Path) -> None:
        """Use *folder*, which need not exist."""
        self._folder = folder

    def apply(self, one: FileSet) -> FileSet:
        """Return *one* with what its pin requires; unchanged if it has no pin."""
        if one.hub is None:
            return one
        path = self._path(one)
        pin = read_record(path, Pin)
        if pin is None:
            return one
        if isinstance(pin, Damage):
            return replace(
                one,
                pin_fault=f"its pin {path} cannot be read (it {pin.problem}), so it is unknown what may "
                "be downloaded; restore that file, or remove the pin with "
                "'speechhub models pull --no-pin'",
            )
        if (pin.repo, pin.revision) != (one.hub.repo, one.hub.revision):
            return one
        known = {file.path: file for file in pin.files}
        declared = one.files or tuple(ModelFile(path=path) for path in known)
        files = tuple(_as_pinned(file, known.get(file.path)) for file in declared)
        hub = replace(one.hub, revision=pin.commit or one.hub.revision)
        return replace(one, hub=hub, files=files, pinned=True)

    def write(self, one: FileSet, manifest: Manifest) -> None:
        """Pin *one* to the files that *manifest* describes."""
        assert one.hub is not None  # noqa: S101  # only file sets with a repository are pinned
        pin = Pin(
            key=one.key,
            repo=one.hub.repo,
            revision=one.hub.revision,
            commit=manifest.commit,
            files=tuple(
                PinnedFile(path=file.path, sha256=file.sha256, size_bytes=file.size_bytes)
                for file in manifest.files
            ),
            pinned_at=int(time.time()),
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(one)
        if isinstance(read_record(path, Pin), Damage):
            keep_aside(path)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(pin), indent=1))
        temporary.replace(path)

    def forget(self, sets: Iterable[FileSet]) -> bool:
        """Remove the pins of *sets*; return whether there were any."""
        found = [path for one in sets if os.path.lexists(path := self._path(one))]
        for path in found:
            if path.is_dir() and not path.is_symlink():
                keep_aside(path)
            else:
                path.unlink(missing_ok=True)
        return bool(found)

    def damage(self, one: FileSet) -> Damage | None:
        """Return why the pin of *one* cannot be read; None if it can, or if there is none."""
        if folder_damage(self._folder) or not os.path.lexists(self._folder):
            return None
        found = read_record(self._path(one), Pin)
        if not isinstance(found, Damage):
            return None
        # `doctor --fix` does not move it aside: without it, a pull would fetch whatever the branch has now.
        return explained(
            found,
            effect="The files in place stay in use, but nothing more is downloaded for the model.",
            remedy="Restore it from a backup, or remove the pin: speechhub models pull --no-pin",
        )

    def _path(self, one: FileSet) -> Path:
        return self._folder / f"{safe_name(one.key)}.json"


def _as_pinned(file: ModelFile, pinned: PinnedFile | None) -> ModelFile:
    """Return a file with the checksum of its pin, unless the engine declares one."""
    if pinned is None or file.sha256:
        return file
    return replace(file, sha256=pinned.sha256, size_bytes=pinned.size_bytes)

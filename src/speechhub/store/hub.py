"""Model hubs: lists a repository's files on the first hub that has it, and downloads them.

The download code is ours: huggingface-hub's own discards an unfinished file when it gives up, so that a lost
connection costs the whole file again.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import structlog

from speechhub.engine import HubSource, ModelFile
from speechhub.errors import ModelFilesError
from speechhub.paths import UnsafeNameError, check_name
from speechhub.store.retry import MAX_LISTING_ATTEMPTS, OnWait, StalledError, persist, silent
from speechhub.store.sites import TIMEOUT_S, Found, Repository, Site

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file on a hub."""

    path: str
    """Its path in the model's folder."""
    name: str
    """Its path in the repository."""
    url: str
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files on a hub, at one commit."""

    commit: str
    files: tuple[RemoteFile, ...]
    revision: str = ""
    """The commit, if the hub can be asked for it again; else empty."""
    address: str = ""
    """The hub's address, for messages."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of requests for the files."""


class ModelHub:
    """Fetches files from the first site that has them; keeps no connection open."""

    def __init__(self, sites: Sequence[Site], sleep: Callable[[float], None] = time.sleep) -> None:
        self._sites = sites
        self._sleep = sleep

    def list_files(
        self,
        hub: HubSource,
        wanted: Sequence[ModelFile] = (),
        *,
        on_wait: OnWait = silent,
        max_attempts: int = MAX_LISTING_ATTEMPTS,
    ) -> Listing:
        """Return the files of a repository, with their commit, sizes and digests.

        Args:
            hub: The repository.
            wanted: The files that matter; empty means all except hidden ones.
            on_wait: Called with the reason before each pause.
            max_attempts: How often to ask each hub.

        Raises:
            ModelFilesError: No hub that has the wanted files can be reached.
        """
        faults: list[ModelFilesError] = []
        for site in self._sites:
            try:
                repository = persist(
                    f"the hub {site.address} failed to list {hub.repo}",
                    partial(site.look, hub, wanted),
                    max_attempts=max_attempts,
                    sleep=self._sleep,
                    on_wait=on_wait,
                )
                files = _choose(hub, wanted, repository)
            except ModelFilesError as error:
                if len(self._sites) > 1:
                    log.info("a model hub failed", hub=site.address, reason=error.message)
                faults.append(error)
            else:
                return Listing(
                    commit=repository.commit,
                    revision=repository.revision,
                    files=files,
                    address=site.address,
                    headers=site.headers(),
                )
        raise ModelFilesError("; ".join(fault.message for fault in faults)) from faults[-1]

    def download(
        self,
        listing: Listing,
        file: RemoteFile,
        target: Path,
        on_bytes: Callable[[int], None],
        *,
        on_wait: OnWait = silent,
    ) -> None:
        """Fetch *file* to *target*, continuing where an earlier attempt ended.

        Raises:
            ModelFilesError: The hub stops answering, or refuses.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        persist(
            f"the hub {listing.address} failed to download {file.name}",
            partial(_transfer, file, listing.headers, target, on_bytes),
            progress=lambda: target.stat().st_size if target.exists() else 0,
            sleep=self._sleep,
            on_wait=on_wait,
        )


def _choose(hub: HubSource, wanted: Sequence[ModelFile], repository: Repository) -> tuple[RemoteFile, ...]:
    wanted = wanted or tuple(_all_of(hub, repository))
    if not wanted:
        raise ModelFilesError(f"the repository {hub.repo} has no files under {hub.prefix or '/'!r}")
    return tuple(_match(hub, file, repository.files) for file in wanted)


def _all_of(hub: HubSource, repository: Repository) -> Iterator[ModelFile]:
    """Yield the files under the prefix, without hidden ones."""
    for name in repository.files:
        if not name.startswith(hub.prefix) or PurePosixPath(name).name.startswith("."):
            continue
        path = name.removeprefix(hub.prefix)
        try:
            check_name(path)  # it comes from the network
        except UnsafeNameError as error:
            raise ModelFilesError(
                f"the repository {hub.repo} has a file with an unsafe name, so nothing was fetched from it: "
                f"{error}"
            ) from error
        yield ModelFile(path=path)


def _match(hub: HubSource, file: ModelFile, remote: Mapping[str, Found]) -> RemoteFile:
    name = hub.prefix + file.path
    found = remote.get(name)
    if found is None:
        raise ModelFilesError(f"the repository {hub.repo} has no file {name}")
    if file.sha256 and found.sha256 and file.sha256 != found.sha256:  # known before gigabytes are fetched
        raise ModelFilesError(
            f"{name} in the repository {hub.repo} is not the expected file: its SHA-256 is "
            f"{found.sha256}, expected {file.sha256}"
        )
    return RemoteFile(
        path=file.path,
        name=name,
        url=found.url,
        size_bytes=file.size_bytes or found.size_bytes,
        sha256=file.sha256 or found.sha256,
    )


def _transfer(
    file: RemoteFile, headers: Mapping[str, str], target: Path, on_bytes: Callable[[int], None]
) -> None:
    """Make one attempt to complete *target*."""
    from huggingface_hub import get_session  # noqa: PLC0415
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]  # noqa: PLC0415

    have = target.stat().st_size if target.exists() else 0
    if have and have == file.size_bytes:
        return
    headers = {**headers, "Accept-Encoding": "identity"}  # compressed, a range could not be continued
    if have:
        headers["Range"] = f"bytes={have}-"
    with get_session().stream(
        "GET", file.url, headers=headers, follow_redirects=True, timeout=TIMEOUT_S
    ) as response:
        if response.status_code == 416:  # noqa: PLR2004  # ours is longer than the file: start over
            target.unlink()
            on_bytes(-have)
            raise StalledError("its file is shorter than what is already here", retry_after_s=0)
        if response.url.scheme == "http" and urlsplit(file.url).scheme == "https":
            raise StalledError("it redirects from https to an address without https", passes=False)
        hf_raise_for_status(response)
        if have and response.status_code != 206:  # noqa: PLR2004  # the range was ignored
            on_bytes(-have)
            have = 0
        with target.open("ab" if have else "wb") as writer:
            for block in response.iter_bytes():  # small blocks: a lost connection loses the current one
                writer.write(block)
                on_bytes(len(block))
                have += len(block)
                if file.size_bytes is not None and have > file.size_bytes:
                    break  # too long: do not let it fill the disk; the check of size and digest will fail
    if file.size_bytes is not None and have < file.size_bytes:
        raise StalledError(f"the connection ended after {have} of {file.size_bytes} bytes")

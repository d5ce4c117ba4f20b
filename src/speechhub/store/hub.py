"""The model hub, through huggingface-hub.

Listing, addresses, tokens, proxies and the endpoint are huggingface-hub's. The transfer itself is ours:
its own throws an unfinished file away when it gives up, so that a cut line costs the whole file again.
huggingface-hub is imported inside the functions: it takes 10 MB, and a server that has its models never
needs it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from speechhub.engine import HubSource, ModelFile
from speechhub.errors import ModelFilesError

Result = TypeVar("Result")

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_IDLE_ATTEMPTS = 6
"""Attempts in a row that may bring nothing new before a download gives up: about a minute."""
MAX_LISTING_ATTEMPTS = 3
"""Attempts to reach the hub at all; few, since a machine without a network should not wait for nothing."""
MAX_BACKOFF_S = 30.0
TIMEOUT_S = 30.0
"""Longest silence of the server, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file on the hub."""

    path: str
    """Where it belongs in the model's folder."""
    name: str
    """Its path in the repository."""
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files on the hub, at one commit."""

    commit: str
    files: tuple[RemoteFile, ...]


class _StalledError(Exception):
    """One attempt has ended early; another may go on from there."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None, passes: bool = True) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        """When the server wants to be asked again; None if it does not say."""
        self.passes = passes
        """Whether another attempt may fare better."""


class ModelHub:
    """Fetches files from a hub; holds no connection of its own."""

    def __init__(self, endpoint: str | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = endpoint
        self._sleep = sleep

    @property
    def address(self) -> str:
        """Where the hub is, for people."""
        if self._endpoint:
            return self._endpoint
        from huggingface_hub import constants  # noqa: PLC0415

        return str(constants.ENDPOINT)

    def list_files(self, hub: HubSource, wanted: Sequence[ModelFile] = ()) -> Listing:
        """Ask for the files of a repository, at which commit, with which sizes and digests.

        Args:
            hub: The repository.
            wanted: Those of its files that matter; empty means all of them, but for hidden ones.

        Raises:
            ModelFilesError: The hub cannot be reached, or has not what is wanted.
        """
        from huggingface_hub import HfApi  # noqa: PLC0415

        api = HfApi(endpoint=self._endpoint, library_name="speechhub")

        def ask() -> Listing:
            try:
                info = api.model_info(hub.repo, revision=hub.revision, files_metadata=True, timeout=TIMEOUT_S)
            except (KeyError, TypeError) as error:  # how huggingface-hub takes an unknown answer
                raise _StalledError("it does not speak the hub's protocol", passes=False) from error
            remote = {}
            for sibling in info.siblings or ():
                digest = sibling.lfs.sha256 if sibling.lfs else None
                remote[sibling.rfilename] = (sibling.size, digest)
            return Listing(commit=info.sha or hub.revision, files=_choose(hub, wanted, remote))

        return self._persist(f"list {hub.repo}", ask, max_attempts=MAX_LISTING_ATTEMPTS)

    def download(
        self,
        hub: HubSource,
        listing: Listing,
        file: RemoteFile,
        target: Path,
        on_bytes: Callable[[int], None],
    ) -> None:
        """Fetch *file* to *target*, going on where an earlier attempt ended.

        Raises:
            ModelFilesError: The hub does not answer any more, or refuses.
        """
        from huggingface_hub import hf_hub_url  # noqa: PLC0415

        url = hf_hub_url(hub.repo, file.name, revision=listing.commit, endpoint=self._endpoint)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._persist(
            f"download {file.name} of {hub.repo}",
            lambda: _transfer(url, file, target, on_bytes),
            progress=lambda: target.stat().st_size if target.exists() else 0,
        )

    def _persist(
        self,
        what: str,
        attempt: Callable[[], Result],
        *,
        progress: Callable[[], int] = lambda: 0,
        max_attempts: int = MAX_IDLE_ATTEMPTS,
    ) -> Result:
        """Repeat *attempt* as long as the fault may pass, starting the count anew after any progress."""
        from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: PLC0415

        failures, before = 0, progress()
        while True:
            try:
                return attempt()
            except (_StalledError, httpx.HTTPError, httpx.InvalidURL, ConnectionError, ValueError) as error:
                fault = _judge(error)
                if progress() > before:
                    failures, before = 0, progress()
                failures += 1
                if not fault.passes or failures >= max_attempts:
                    raise self._failure(what, str(fault)) from error
            backoff_s = fault.retry_after_s if fault.retry_after_s is not None else 2.0 ** (failures - 1)
            self._sleep(min(backoff_s, MAX_BACKOFF_S))

    def _failure(self, what: str, reason: str) -> ModelFilesError:
        return ModelFilesError(f"the hub {self.address} failed to {what}: {reason}")


def _judge(error: Exception) -> _StalledError:
    """Say what an attempt's failure means."""
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: PLC0415

    if isinstance(error, _StalledError):
        return error
    final = {
        GatedRepoError: "it wants you to accept its terms on its page and to set HF_TOKEN",
        RevisionNotFoundError: "there is no such revision",
        RepositoryNotFoundError: "there is no such repository, or it is private",
        OfflineModeIsEnabled: "HF_HUB_OFFLINE is set",
    }
    for kind, reason in final.items():
        if isinstance(error, kind):
            return _StalledError(reason, passes=False)
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return _StalledError(
            f"it answers {status}",
            retry_after_s=_retry_after(error.response.headers),
            passes=status in RETRY_STATUSES,
        )
    passing = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
    return _StalledError(f"{type(error).__name__}: {error}", passes=isinstance(error, passing))


def _choose(
    hub: HubSource, wanted: Sequence[ModelFile], remote: dict[str, tuple[int | None, str | None]]
) -> tuple[RemoteFile, ...]:
    wanted = wanted or tuple(
        ModelFile(path=name.removeprefix(hub.prefix))
        for name in remote
        if name.startswith(hub.prefix) and not PurePosixPath(name).name.startswith(".")
    )
    if not wanted:
        raise ModelFilesError(f"the repository {hub.repo} has no files under {hub.prefix or '/'!r}")
    files = []
    for file in wanted:
        name = hub.prefix + file.path
        if name not in remote:
            raise ModelFilesError(f"the repository {hub.repo} has no file {name}")
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:  # names come from the network
            raise ModelFilesError(f"the repository {hub.repo} has a file with the unsafe name {name!r}")
        size_bytes, sha256 = remote[name]
        files.append(
            RemoteFile(
                path=file.path,
                name=name,
                size_bytes=file.size_bytes or size_bytes,
                sha256=file.sha256 or sha256,
            )
        )
    return tuple(files)


def _transfer(url: str, file: RemoteFile, target: Path, on_bytes: Callable[[int], None]) -> None:
    """Make one attempt to bring *target* to its full length."""
    from huggingface_hub import get_session  # noqa: PLC0415
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # noqa: PLC0415
        build_hf_headers,
        hf_raise_for_status,
    )

    have = target.stat().st_size if target.exists() else 0
    if have and have == file.size_bytes:
        return
    headers = build_hf_headers(library_name="speechhub")
    headers["Accept-Encoding"] = "identity"  # a range of compressed bytes could not be continued
    if have:
        headers["Range"] = f"bytes={have}-"
    with get_session().stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_S
    ) as response:
        if response.status_code == 416:  # noqa: PLR2004  # longer than the file is: begin again
            target.unlink()
            on_bytes(-have)
            raise _StalledError("it has less than we already have", retry_after_s=0)
        hf_raise_for_status(response)
        if have and response.status_code != 206:  # noqa: PLR2004  # the range was ignored
            on_bytes(-have)
            have = 0
        with target.open("ab" if have else "wb") as writer:
            for block in response.iter_bytes():  # no larger blocks: a cut would lose the begun one
                writer.write(block)
                on_bytes(len(block))
                have += len(block)
                if file.size_bytes is not None and have > file.size_bytes:
                    break  # the digest, or the size, will tell; do not let it fill the disk
    if file.size_bytes is not None and have < file.size_bytes:
        raise _StalledError(f"the connection ended after {have} of {file.size_bytes} bytes")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None

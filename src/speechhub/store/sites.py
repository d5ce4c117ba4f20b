"""The supported model hubs: how each lists a repository, and the addresses of its files.

huggingface-hub is imported inside the functions: it takes 10 MB, and a server that has its models never
needs it.
"""

import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol
from urllib.parse import quote, urlsplit

from speechhub.engine import HubSource, ModelFile
from speechhub.mirrors import HUGGING_FACE
from speechhub.paths import SHOWN_CHARS
from speechhub.store.file_set import COMMIT
from speechhub.store.retry import StalledError

TIMEOUT_S: Final = 30.0
"""Longest silence of a server, in seconds."""
HUGGING_FACE_HOST: Final = urlsplit(HUGGING_FACE).hostname
DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that a hub has."""

    url: str
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository on a hub, at one commit."""

    commit: str
    """Changes whenever a file does."""
    revision: str = ""
    """The commit, if the hub can be asked for it again, 40 hex digits; else empty."""
    files: Mapping[str, Found]
    """Path in the repository → file."""


class Site(Protocol):
    """A model hub; it keeps no connection open."""

    @property
    def address(self) -> str:
        """Address of the site, for messages."""
        ...

    def look(self, hub: HubSource, wanted: Sequence[ModelFile]) -> Repository:
        """Ask once for the files of a repository; *wanted* are those that matter, or all if it is empty."""
        ...

    def headers(self) -> dict[str, str]:
        """Return the headers of requests for its files."""
        ...


class HuggingFace:
    """Hugging Face's hub, or a mirror with the same protocol, through huggingface-hub."""

    def __init__(self, endpoint: str | None, *, named: bool = False) -> None:
        """Make no connection.

        Args:
            endpoint: Address of a mirror; None for huggingface-hub's default.
            named: Whether the operator named that address, so that it may receive the operator's token.
        """
        self._endpoint = endpoint
        self._named = named or endpoint is None

    @property
    def address(self) -> str:
        """Address of the site, for messages."""
        if self._endpoint:
            return self._endpoint
        from huggingface_hub import constants  # noqa: PLC0415

        return str(constants.ENDPOINT)

    def look(self, hub: HubSource, wanted: Sequence[ModelFile]) -> Repository:  # noqa: ARG002
        """Ask once for the files of a repository; see `Site`."""
        from huggingface_hub import HfApi, hf_hub_url  # noqa: PLC0415
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError  # noqa: PLC0415

        api = HfApi(endpoint=self._endpoint, library_name="speechhub", token=self._token())
        try:
            info = api.model_info(hub.repo, revision=hub.revision, files_metadata=True, timeout=TIMEOUT_S)
        except (AttributeError, KeyError, TypeError) as error:  # raised for an unexpected answer
            raise StalledError("it does not speak the hub's protocol", passes=False) from error
        except (GatedRepoError, RepositoryNotFoundError) as error:  # also what it says without a token
            if self._withholds():
                raise StalledError(
                    "it may require a token, and HF_TOKEN is not sent there: it is sent by https only, to "
                    "huggingface.co or to the hub that SPEECHHUB_HF_ENDPOINT names in the environment or in "
                    "a file that --config names",
                    passes=False,
                ) from error
            raise
        commit = _checked_commit(info.sha, hub)
        files = {
            (name := _checked_name(file.rfilename)): _found(
                hf_hub_url(hub.repo, name, revision=commit, endpoint=self._endpoint),
                file.size,
                file.lfs.sha256 if file.lfs else None,
            )
            for file in info.siblings or ()
        }
        return Repository(commit=commit, revision=commit, files=files)

    def headers(self) -> dict[str, str]:
        """Return the headers of requests for its files: with a token, if there is one for this hub."""
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415

        return dict(build_hf_headers(library_name="speechhub", token=self._token()))

    def _token(self) -> Literal[False] | None:
        """Return huggingface-hub's argument for the token: None to look for one, False to send none."""
        return None if may_carry_token(self.address, named=self._named) else False

    def _withholds(self) -> bool:
        """Tell whether there is a token that is not sent to this hub."""
        from huggingface_hub import get_token  # noqa: PLC0415

        return self._token() is False and bool(get_token())


class ModelScope:
    """ModelScope's hub. Source: get_model_files and get_file_download_url of the package modelscope."""

    def __init__(self, endpoint: str) -> None:
        self.address = endpoint.rstrip("/")
        """Address of the site, for messages."""

    def look(self, hub: HubSource, wanted: Sequence[ModelFile]) -> Repository:
        """Ask once for the files of a repository; see `Site`."""
        from huggingface_hub import get_session  # noqa: PLC0415
        from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]  # noqa: PLC0415

        repo = f"{self.address}/api/v1/models/{quote(hub.modelscope or hub.repo)}/repo"
        revision = hub.revision
        if COMMIT.fullmatch(revision) and not (wanted and all(file.sha256 for file in wanted)):
            raise StalledError("it does not know Hugging Face's commits", passes=False)
        if revision == "main" or COMMIT.fullmatch(revision):
            revision = "master"  # for a commit, the files' digests show whether they are the same here
        response = get_session().get(
            f"{repo}/files",
            params={"Revision": revision, "Recursive": "true"},
            headers=self.headers(),
            follow_redirects=True,
            timeout=TIMEOUT_S,
        )
        if response.url.scheme == "http" and self.address.startswith("https:"):
            raise StalledError("it redirects from https to an address without https", passes=False)
        hf_raise_for_status(response)
        try:
            listed: list[dict[str, Any]] = response.json()["Data"]["Files"] or []
            files = {
                (name := _checked_name(entry["Path"])): _found(
                    f"{repo}?Revision={quote(revision, safe='')}&FilePath={quote(name, safe='')}",
                    entry["Size"],
                    entry.get("Sha256") or None,
                )
                for entry in listed
                if entry["Type"] != "tree"
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StalledError("it does not speak ModelScope's protocol", passes=False) from error
        told = "\n".join(f"{path} {file.sha256} {file.size_bytes}" for path, file in sorted(files.items()))
        return Repository(commit=hashlib.sha256(told.encode()).hexdigest()[:40], files=files)

    def headers(self) -> dict[str, str]:
        """Return the headers of requests for its files: without Hugging Face's token."""
        return {"User-Agent": "speechhub"}


def may_carry_token(address: str, *, named: bool) -> bool:
    """Tell whether requests to a hub may carry the operator's token.

    Args:
        address: The hub's address.
        named: Whether the operator named it; Hugging Face's own hub need not be named.
    """
    parts = urlsplit(address)
    host = (parts.hostname or "").rstrip(".").lower()
    if any(char.isspace() or char in "\\@" for char in parts.netloc):
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return False
    return named or host == HUGGING_FACE_HOST


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, so that no other machine can eavesdrop."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_commit(commit: object, hub: HubSource) -> str:
    """Return the commit in a hub's answer if it is valid; it becomes a folder name and a part of URLs."""
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise StalledError(
            f"it names the commit {repr(commit)[:SHOWN_CHARS]} where 40 hex digits belong, so nothing was "
            "fetched from it; name another hub with SPEECHHUB_HF_ENDPOINT",
            passes=False,
        )
    if COMMIT.fullmatch(hub.revision) and commit != hub.revision:
        raise StalledError(f"it was asked for commit {hub.revision}, but answered {commit}", passes=False)
    return commit


def _checked_name(name: object) -> str:
    """Return a file name of a listing if it is text; where it leads to is checked when the file is used."""
    if not isinstance(name, str) or any("\ud800" <= char <= "\udfff" for char in name):
        raise StalledError("it sent a file name that is not text", passes=False)
    return name


def _found(url: str, size_bytes: object, sha256: object) -> Found:
    """Return a file of a listing, after checking its size and digest."""
    sized = size_bytes is None or (isinstance(size_bytes, int) and size_bytes >= 0)
    if not sized or not (sha256 is None or (isinstance(sha256, str) and DIGEST.fullmatch(sha256))):
        raise StalledError("it sent an impossible size or digest for a file", passes=False)
    return Found(url=url, size_bytes=size_bytes, sha256=sha256)  # type: ignore[arg-type]  # as checked

"""Probes the places that packages and models come from: which answer, how fast, and which have PyTorch."""

import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote

import httpx

from speechhub import mirrors
from speechhub.environments.pip_config import pip_configuration
from speechhub.errors import ConfigurationError
from speechhub.settings.proxies import check_proxies, hint

TIMEOUT_S: Final = 10.0
"""Time limit for one place; a place that takes longer is of no use."""
WHEEL = re.compile(r"torch-([0-9][0-9.]*)(?:\+(\w+))?-(cp\d+)-\w+-([\w.]+)\.whl")
"""File name of one of PyTorch's wheels: version, build, Python, platforms. Source: PEP 427."""

Kind = Literal["packages", "torch", "models", "apt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that something comes from."""

    kind: Kind
    url: str
    """What is asked for: a small page."""
    build: str = ""
    """Build of PyTorch that its page should list."""

    @property
    def shown(self) -> str:
        """The address for people: without the user and password that it may hold."""
        return re.sub(r"://[^/\s@]+@", "://", self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer of a place."""

    place: Place
    works: bool
    """Whether it answered, and has what it should have."""
    latency_s: float | None
    """Time until the answer was complete; None for folders, and if the place did not answer."""
    finding: str
    """For people: the newest version there, or what went wrong."""


def places(
    mirror: mirrors.Mirror,
    *,
    hf_endpoint: str | None,
    modelscope: str | None = None,
    build: str,
    environ: Mapping[str, str],
) -> Iterator[Place]:
    """Return the places in the order in which they are tried.

    Args:
        mirror: The profile.
        hf_endpoint: Model hub of the settings.
        modelscope: ModelScope's hub, if the settings want it.
        build: Build of PyTorch for this machine.
        environ: The process's environment, for what pip is told.
    """
    configuration = pip_configuration(environ)
    indexes = [mirror.python_index, configuration.get("index-url") or mirrors.PYPI]
    if environ.get("PIP_INDEX_URL"):
        indexes = indexes[1:]  # the operator's own word wins
    for index in dict.fromkeys(index for index in indexes if index):
        yield Place(kind="packages", url=f"{index.rstrip('/')}/pip/")
    for folder in configuration.get("find-links", "").split():
        yield Place(kind="torch", url=folder, build=build)
    for source in mirror.torch:
        page = source.of(build)
        yield Place(kind="torch", url=page if source.flat else f"{page}/torch/", build=build)
    if modelscope:
        yield Place(kind="models", url=f"{modelscope.rstrip('/')}/")
    for hub in dict.fromkeys((hf_endpoint or mirrors.HUGGING_FACE, mirrors.HUGGING_FACE)):
        yield Place(kind="models", url=f"{hub.rstrip('/')}/api/models?limit=1")
    if mirror.apt:
        yield Place(kind="apt", url=f"https://{mirror.apt}/")


def probe(place: Place, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Ask *place*; never raises."""
    if "://" not in place.url:
        folder = Path(place.url).expanduser()
        names = [path.name for path in folder.glob("torch-*.whl")] if folder.is_dir() else []
        works, finding = _torch_among("\n".join(names), place.build)
        return Answer(place=place, works=works, latency_s=None, finding=finding)
    began_s = time.monotonic()
    try:
        check_proxies()
        response = httpx.get(place.url, timeout=timeout_s, follow_redirects=True)
    except ConfigurationError as error:
        return Answer(place=place, works=False, latency_s=None, finding=f"cannot be asked: {error.message}")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        reason = f"does not answer: {type(error).__name__}.{hint(place.url)}".removesuffix(".")
        return Answer(place=place, works=False, latency_s=None, finding=reason)
    latency_s = time.monotonic() - began_s
    if response.status_code != httpx.codes.OK:
        finding = f"answers {response.status_code}.{hint(place.url)}".removesuffix(".")
        return Answer(place=place, works=False, latency_s=latency_s, finding=finding)
    works, finding = _torch_among(unquote(response.text), place.build) if place.build else (True, "answers")
    return Answer(place=place, works=works, latency_s=latency_s, finding=finding)


def _torch_among(text: str, build: str) -> tuple[bool, str]:
    """Say which of the wheels that *text* names is the newest for this Python in *build*."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    versions = {
        match[1]
        for match in WHEEL.finditer(text)
        if match[2] == build and match[3] == python and "linux" in match[4]
    }
    if not versions:
        return False, f"has no torch +{build} for {python}"
    newest = max(versions, key=lambda version: tuple(map(int, filter(None, version.split(".")))))
    return True, f"has torch {newest}+{build}"

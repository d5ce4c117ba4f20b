"""The exact set of packages that a plugin was tested with, PyTorch's among them.

A plugin may carry a file `PINS_NAME` in its package: every package that it needs, one ``name==version`` a
line, with a marker if need be, and the hashes of its files as pip-compile and uv write them. The set is
installed as it stands, without the packages' own wishes: so it can leave out what an engine's library demands
and never uses.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from speechhub.errors import ConfigurationError

PINS_NAME: Final = "engine-requirements.txt"
TORCH_FAMILY: Final = ("torch", "torchvision", "torchaudio")
"""Packages of which each build has its own wheels."""

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9.!+_-]+)\s*(;.*)?")
HASH = re.compile(r"\s*--hash[=\s](sha(?:256|384|512):[0-9a-f]+)\s*$")
"""A hash at the end of a pin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePin:
    """One package in exactly one version."""

    requirement: str
    """``name==version``, with a marker where there is one."""
    hashes: tuple[str, ...] = ()
    """Hashes of its files, ``sha256:…``; empty where the set has none."""

    @property
    def line(self) -> str:
        """The pin as a line of a requirements file."""
        return " ".join([self.requirement, *(f"--hash={digest}" for digest in self.hashes)])


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePins:
    """A set of packages, parted by the way they are installed."""

    torch: tuple[str, ...] = ()
    """``name==version`` of PyTorch's own packages, without a build."""
    others: tuple[PackagePin, ...] = ()
    """The other packages."""


def normal(name: str) -> str:
    """Return a distribution's name as indexes spell it. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_pins(text: str, where: str) -> PackagePins:
    """Read a set of pins.

    Raises:
        ConfigurationError: A line is no exact pin.
    """
    torch: list[str] = []
    others: list[PackagePin] = []
    for number, line in _joined(text):
        pin = line.partition(" #")[0].strip()
        if not pin or pin.startswith("#"):
            continue
        digests: list[str] = []
        while found := HASH.search(pin):
            digests.insert(0, found[1])
            pin = pin[: found.start()]
        match = PIN.fullmatch(pin.strip())
        if match is None:
            raise ConfigurationError(f"{where}, line {number}: {pin!r} is not of the form name==version.")
        if normal(match[1]) in TORCH_FAMILY:
            torch.append(f"{normal(match[1])}=={match[2].partition('+')[0]}")
        else:
            others.append(PackagePin(requirement=pin.strip(), hashes=tuple(digests)))
    return PackagePins(torch=tuple(torch), others=tuple(others))


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with the number of its first one; a backslash at the end continues it."""
    first = 1
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        first = first if parts else number
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            yield first, " ".join(parts)
            parts = []
    if parts:
        yield first, " ".join(parts)


def installed(name: str, search_path: Iterable[Path]) -> Distribution | None:
    """Return the distribution *name* in the folders, if it is there."""
    found = distributions(name=name, path=[str(folder) for folder in search_path])
    return next(iter(found), None)


def pins_of(plugin: Distribution) -> PackagePins | None:
    """Return the set that an installed plugin carries; None if it carries none."""
    for file in plugin.files or ():
        if file.name == PINS_NAME:
            return parse_pins(file.read_text("utf-8"), f"{plugin.name}'s {PINS_NAME}")
    return None


def needs_torch(plugin: Distribution) -> bool:
    """Tell whether the plugin itself asks for PyTorch."""
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in plugin.requires or ())
    return any(name is not None and normal(name[0]) == "torch" for name in names)


def frozen(search_path: Iterable[Path]) -> str:
    """Return what is installed in the folders, one ``name==version`` a line, sorted."""
    found = distributions(path=[str(folder) for folder in search_path])
    return "".join(
        f"{line}\n" for line in sorted({f"{normal(package.name)}=={package.version}" for package in found})
    )

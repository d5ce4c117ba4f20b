"""The build of PyTorch for a machine: a table of what each build holds, and the choice by driver and cards.

A build is compiled for some generations of cards and needs a driver of some age. A card runs code that was
compiled for its own generation (the same major number of its compute capability) and no newer member of it.
Pure.

Sources: PyTorch, RELEASE.md, "PyTorch CUDA Support Matrix" (the lists of 2.12, 2.13 and 2.14 are the same;
cu128 ended with 2.11); NVIDIA, "CUDA Compatibility": within one major version of CUDA a build runs on every
driver of that version, from 525 for CUDA 12 and from 580 for CUDA 13; drivers know Blackwell from 570 on.
"""

import re
from dataclasses import dataclass
from typing import Final

from speechhub.errors import ConfigurationError

Capability = tuple[int, int]
"""A card's compute capability, such as (8, 6)."""
Release = tuple[int, int]
"""Major and minor number of a PyTorch."""

NEWEST: Final = (2, 14)
"""The newest PyTorch that the table was checked against."""
PINNED: Final = (2, 13)
"""Version of PyTorch where none is named: the one that the plugins of this repository pin."""
ON_CPU: Final = "use the CPU: speechhub engines install NAME --build cpu"
"""The advice where no build serves a card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build of PyTorch for Linux on x86-64."""

    name: str
    """Such as ``cu126``."""
    oldest_driver: int
    """Major number of the oldest driver of NVIDIA's that runs it."""
    capabilities: tuple[Capability, ...]
    """What it is compiled for."""
    portable: bool = False
    """Whether it also holds code (PTX) that drivers compile for cards newer than the newest of these."""
    first: Release
    """The first PyTorch that has it."""
    last: Release | None = None
    """The last one; None if no last one is known."""

    def exists_in(self, torch: Release) -> bool:
        """Tell whether this PyTorch has it."""
        return self.first <= torch and (self.last is None or torch <= self.last)

    def serves(self, capability: Capability) -> bool:
        """Tell whether it has code that a card of this capability can run."""
        major, minor = capability
        if self.portable and capability >= self.capabilities[-1]:
            return True
        return any(major == its_major and minor >= its_minor for its_major, its_minor in self.capabilities)


TURING_TO_BLACKWELL: Final = ((7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0))
BUILDS: Final = (
    Build(name="cu130", oldest_driver=580, capabilities=TURING_TO_BLACKWELL, portable=True, first=(2, 9)),
    Build(name="cu132", oldest_driver=580, capabilities=TURING_TO_BLACKWELL, portable=True, first=(2, 12)),
    Build(name="cu128", oldest_driver=570, capabilities=TURING_TO_BLACKWELL, first=(2, 7), last=(2, 11)),
    Build(
        name="cu126",
        oldest_driver=525,
        capabilities=((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)),
        first=(2, 6),
        last=(2, 14),
    ),
)
"""In the order of preference: where several builds serve, the first is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaCard:
    """A GPU, as far as a build is concerned."""

    name: str
    capability: Capability | None
    """None if the driver does not report it."""

    def __str__(self) -> str:
        capability = "?" if self.capability is None else ".".join(map(str, self.capability))
        return f"{self.name} (compute capability {capability})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """NVIDIA's driver on this machine."""

    version: str
    """Such as ``580.65.06``."""
    cards: tuple[CudaCard, ...]
    """The GPUs that can be used, the one that engines use first; empty if the driver reports none."""

    @property
    def major(self) -> int:
        """The number that builds are compared with; 0 if it cannot be read."""
        found = re.search(r"\d+", self.version)
        return int(found[0]) if found else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A build, and the reason for choosing it."""

    build: str
    reason: str
    """A sentence without its period, for people."""
    warning: str = ""
    """What this build does not serve here; empty if it serves all."""


def choose_build(driver: Driver | None, torch: Release = PINNED) -> Choice:
    """Return the build of PyTorch *torch* for a machine.

    With several cards it serves all of them if one build can, and otherwise the first that any can serve.

    Args:
        driver: NVIDIA's; None if there is none.
        torch: The PyTorch that is to be installed.

    Raises:
        ConfigurationError: No build serves any card with this driver; the message says what does.
    """
    if driver is None:
        return Choice(build="cpu", reason="this machine has no NVIDIA driver that answers")
    known = [build for build in BUILDS if build.exists_in(torch)]
    if not known:
        raise ConfigurationError(
            f"speechhub does not know the builds of PyTorch {_shown(torch)}. Name one, such as --build cu130."
        )
    able = [build for build in known if driver.major >= build.oldest_driver]
    cards = [card for card in driver.cards if card.capability is not None]
    if not cards:
        return _by_driver_alone(driver, able, known, torch)
    choices = ([build for build in able if _serves(build, card)] for card in cards)
    fitting = next(filter(None, choices), None)
    if fitting is None:
        raise ConfigurationError(_refusal(driver, cards[0], known, torch))
    build = max(fitting, key=lambda build: all(_serves(build, card) for card in cards))
    missed = [str(card) for card in cards if not _serves(build, card)]
    return Choice(
        build=build.name,
        reason=f"the driver is {driver.version} and the GPU {', '.join(map(str, cards))}",
        warning=f"{build.name} has no code for {', '.join(missed)}: no engine can use it" if missed else "",
    )


def fault_of(name: str, driver: Driver | None, torch: Release = PINNED) -> str:
    """Return why the build *name*, which an operator asked for, will not compute on the first card here.

    Returns:
        A sentence; empty if it will, or if nothing is known against it.
    """
    build = next((build for build in BUILDS if build.name == name), None)
    if build is None or driver is None:
        return ""
    if driver.major < build.oldest_driver:
        return f"{name} needs NVIDIA's driver {build.oldest_driver} or newer, and this is {driver.version}"
    missed = [card for card in driver.cards[:1] if card.capability and not build.serves(card.capability)]
    if not missed:
        return ""
    try:
        better = f"; {choose_build(driver, torch).build} has"
    except ConfigurationError:
        better = ""
    return f"{name} has no code for {missed[0]}{better}"


def release_of(version: str) -> Release:
    """Return the numbers that decide which builds there are: ``2.13.0`` → (2, 13).

    Raises:
        ConfigurationError: It is no version of PyTorch.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ConfigurationError(f"{version!r} is not a version of PyTorch; write it like 2.13.0.")
    return int(found[1]), int(found[2])


def _serves(build: Build, card: CudaCard) -> bool:
    return card.capability is None or build.serves(card.capability)


def _by_driver_alone(driver: Driver, able: list[Build], known: list[Build], torch: Release) -> Choice:
    if not able:
        oldest = min(build.oldest_driver for build in known)
        raise ConfigurationError(
            f"The NVIDIA driver {driver.version} is too old for PyTorch {_shown(torch)}: it needs {oldest} "
            f"or newer. Upgrade the driver; or {ON_CPU}."
        )
    return Choice(
        build=able[0].name,
        reason=f"the driver is {driver.version}, and does not report the GPU's generation",
        warning="a GPU before the generation Turing (GTX 16, RTX 20) needs --build cu126",
    )


def _refusal(driver: Driver, card: CudaCard, known: list[Build], torch: Release) -> str:
    """Say what would serve this card: a newer driver, an older PyTorch, or the CPU."""
    said = f"No build of PyTorch {_shown(torch)} serves {card} with the driver {driver.version}."
    advice = []
    if drivers := [build.oldest_driver for build in known if _serves(build, card)]:
        advice.append(f"upgrade NVIDIA's driver to {min(drivers)} or newer")
    for build in BUILDS:
        if driver.major >= build.oldest_driver and _serves(build, card):
            version = _shown(build.last or NEWEST)
            advice.append(
                "take another PyTorch, which the engine was not tested with: speechhub engines install NAME "
                f"--torch {version}.0 --build {build.name}"
            )
            break
    advice.append(ON_CPU)
    told = "; or ".join(advice)
    return f"{said} {told[0].upper()}{told[1:]}."


def _shown(release: Release) -> str:
    return ".".join(map(str, release))

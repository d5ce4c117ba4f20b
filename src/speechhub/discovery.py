"""Finds the engines that are installed: entry points → specs.

Reading a spec imports the plugin's light description only. A plugin that fails to import is listed with its
error and affects no other; two plugins with one name are an error, because either choice would surprise.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from speechhub.engine import API_VERSION, EngineSpec, Slot
from speechhub.errors import ConfigurationError
from speechhub.errors.origin import import_fault

GROUPS = {slot.group: slot for slot in Slot}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledEngine:
    """An engine that can be started."""

    spec: EngineSpec
    distribution: str
    """Name and version of the plugin, as pip knows it."""
    python: Path
    """Interpreter of the environment that the plugin is installed in."""
    environment: str = ""
    """Name of that environment, if it is one of the engine's own; empty for the hub's."""
    search_path: tuple[Path, ...] = ()
    """Site-packages folders of that environment; empty for the hub's, where they are `sys.path`."""
    prebuilt: Path | None = None
    """Where what the engine built when it was installed lies, if it did; None in the hub's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlugin:
    """A plugin whose description cannot be read."""

    entry_point: str
    """``group: name = value``, as the plugin wrote it."""
    distribution: str
    """Name and version of the plugin, as pip knows it."""
    error: str
    """Why the plugin cannot be used, and where that was found, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """The engines that were found, and the plugins that cannot be used."""

    engines: tuple[InstalledEngine, ...]
    """By name."""
    broken: tuple[BrokenPlugin, ...]
    """Plugins to repair or to uninstall."""


def discover(found: Iterable[EntryPoint] | None = None) -> Discovery:
    """Read the specs of all engines in the hub's own environment.

    Args:
        found: Entry points to read; by default all installed ones of every slot's group.

    Raises:
        ConfigurationError: Two engines have one name.
    """
    points = [p for group in GROUPS for p in entry_points(group=group)] if found is None else list(found)
    engines: dict[str, InstalledEngine] = {}
    broken: list[BrokenPlugin] = []
    for point in sorted(points, key=lambda p: (p.group, p.name, p.value)):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
        try:
            spec = _read(point)
        except Exception as error:  # noqa: BLE001  # a plugin may fail in any way, and must harm nothing
            broken.append(
                BrokenPlugin(
                    entry_point=f"{point.group}: {point.name} = {point.value}",
                    distribution=distribution,
                    error=import_fault(error, point.module),
                )
            )
            continue
        other = engines.get(spec.name)
        if other is not None:
            raise ConfigurationError(
                f"Two engines are named {spec.name!r}: one of {other.distribution} and one of "
                f"{distribution}. Uninstall one of them."
            )
        engines[spec.name] = InstalledEngine(
            spec=spec, distribution=distribution, python=Path(sys.executable)
        )
    return Discovery(
        engines=tuple(sorted(engines.values(), key=lambda engine: (engine.spec.slot, engine.spec.name))),
        broken=tuple(broken),
    )


def _read(point: EntryPoint) -> EngineSpec:
    spec = point.load()
    if not isinstance(spec, EngineSpec):
        raise ConfigurationError(f"{point.value} is not a speechhub.engine.EngineSpec.")
    if spec.slot is not GROUPS[point.group]:
        raise ConfigurationError(
            f"{point.value} is a {spec.slot} engine, but is registered in the group {point.group}."
        )
    if spec.api_version > API_VERSION:
        raise ConfigurationError(
            f"{point.value} is written for engine API {spec.api_version}, this speechhub has {API_VERSION}: "
            "upgrade speechhub."
        )
    for model in spec.models:
        model.check_names()
    return spec

"""Finds the engines that can be started: those beside the hub, and those in environments of their own.

Environments are read from their records, which takes no Python but this one. A record that does not fit its
environment any more (pip was run there, or speechhub is another version) is made anew. So is, each time,
the record of an editable one, whose author may have changed anything.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from speechhub import __version__, discovery
from speechhub.discovery import BrokenPlugin, Discovery, InstalledEngine
from speechhub.environments.folders import EnvironmentHome, homes
from speechhub.environments.prebuild import prebuilt_of
from speechhub.environments.read import DescriptionError, describe
from speechhub.environments.record import Record, read_record, spec_of, state_of, write_record
from speechhub.errors import ConfigurationError


def discover_all(engines_dir: Path) -> Discovery:
    """Find every engine; an environment of its own takes the place of the same plugin beside the hub.

    Raises:
        ConfigurationError: Two engines of different plugins, or environments, have one name.
    """
    here, apart = discovery.discover(), discover_environments(engines_dir)
    isolated = {_project(engine.distribution) for engine in apart.engines}
    engines = [engine for engine in here.engines if _project(engine.distribution) not in isolated]
    return Discovery(
        engines=_without_clashes([*engines, *apart.engines]), broken=(*here.broken, *apart.broken)
    )


def discover_environments(engines_dir: Path) -> Discovery:
    """Find the engines in environments of their own; one that does not work is listed as broken."""
    engines: list[InstalledEngine] = []
    broken: list[BrokenPlugin] = []
    for home in homes(engines_dir):
        try:
            record = up_to_date(home)
            if record is not None:
                engines += _engines(home, record)
                broken += [_fault(home, plugin) for plugin in record.description.broken]
        except (ValueError, OSError, DescriptionError) as error:
            broken.append(
                BrokenPlugin(
                    entry_point=str(home.path),
                    distribution=f"environment {home.name}",
                    error=f"{error}. Install it again: speechhub engines install {home.name}",
                )
            )
    return Discovery(engines=tuple(engines), broken=tuple(broken))


def up_to_date(home: EnvironmentHome) -> Record | None:
    """Return the environment's record, made anew if the environment may have changed; None if there is none.

    Raises:
        ValueError: The record is damaged.
        DescriptionError: The environment's Python does not work.
    """
    record = read_record(home.path)
    if record is None:
        return None
    python = home.python(record)
    if not python.exists():  # also a link to a Python that was upgraded away
        raise DescriptionError(f"its Python {python} is gone")
    state = state_of(record.description.folders, __version__)
    if state == record.state and not record.editable and _holds(home.folder(record), record):
        return record
    fresh = msgspec.structs.replace(record, description=describe(python), state=state)
    with contextlib.suppress(OSError):  # another user's home, or a read-only image: ask each time
        write_record(home.path, fresh)
    return fresh


def _holds(folder: Path, record: Record) -> bool:
    """Tell whether the packages that the record names lie in the environment; files are copied from there."""
    root = folder.resolve()
    return all(place.resolve().is_relative_to(root) for place in record.description.folders)


def _engines(home: EnvironmentHome, record: Record) -> Iterable[InstalledEngine]:
    for engine in record.description.engines:
        spec = spec_of(engine.spec)
        yield InstalledEngine(
            spec=spec,
            distribution=engine.distribution,
            python=home.python(record),
            environment=home.name,
            search_path=record.description.folders,
            prebuilt=prebuilt_of(home.folder(record), spec.name),
        )


def _fault(home: EnvironmentHome, plugin: msgspec.Struct) -> BrokenPlugin:
    fault = BrokenPlugin(**msgspec.structs.asdict(plugin))
    return replace(fault, distribution=f"{fault.distribution} in environment {home.name}")


def _project(distribution: str) -> str:
    return distribution.partition(" ")[0].lower().replace("_", "-")


def _without_clashes(engines: Iterable[InstalledEngine]) -> tuple[InstalledEngine, ...]:
    by_name: dict[str, InstalledEngine] = {}
    for engine in engines:
        other = by_name.setdefault(engine.spec.name, engine)
        if other is not engine:
            raise ConfigurationError(
                f"Two engines are named {engine.spec.name!r}: one of {_place(other)} and one of "
                f"{_place(engine)}. Remove one of them."
            )
    return tuple(sorted(by_name.values(), key=lambda engine: (engine.spec.slot, engine.spec.name)))


def _place(engine: InstalledEngine) -> str:
    return f"{engine.distribution} ({engine.environment or 'beside speechhub'})"

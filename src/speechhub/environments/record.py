"""Record of an engine environment: the file that says which folder is the real one, and what is in it.

An environment is its record. A folder that no record names is rubbish of an installation that did not end,
and the switch from one folder to the next is the replacement of this one file.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_type_hints

import msgspec

from speechhub.engine import EngineSpec, ModelSpec, Slot
from speechhub.errors import ConfigurationError
from speechhub.home import Damage, keep_aside
from speechhub.home import read_record as read_file
from speechhub.paths import UnsafeNameError

RECORD_NAME = "environment.json"
FOLDER = re.compile(r"env-[A-Za-z0-9._-]+")
"""Names of the folders that hold virtual environments."""
VERSION = 1
"""Of records that this speechhub understands."""
FREEZE_NAME = "freeze.txt"
"""Lies in the environment's folder: every package with its version, as pip freeze writes it."""

Described = TypeVar("Described", EngineSpec, ModelSpec)


class RecordedEngine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine as it was read in its environment."""

    distribution: str
    """Name and version of the plugin."""
    spec: dict[str, Any]
    """Fields of its `EngineSpec`."""


class RecordedFault(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin of the environment whose description could not be read."""

    entry_point: str
    distribution: str
    error: str


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Description of an environment, as `describe.py` prints it; see there."""

    python: str
    """Version of its interpreter."""
    search_path: tuple[str, ...]
    """Its site-packages folders."""
    engines: tuple[RecordedEngine, ...] = ()
    broken: tuple[RecordedFault, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """`search_path` as paths."""
        return tuple(map(Path, self.search_path))


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An engine environment that is complete."""

    name: str
    """What people call it; the name of its folder."""
    folder: str
    """Name of the folder, beside the record, that holds the virtual environment."""
    requirement: str
    """What was installed: a requirement or the address of a folder or wheel."""
    editable: bool = False
    """Whether the folder itself is imported, so that the description may change at any time."""
    build: str
    """Build of PyTorch, such as ``cpu`` or ``cu126``; empty if the engine does without."""
    state: str
    """`state_of` the environment when it was described."""
    description: Description
    version: int = VERSION

    def __post_init__(self) -> None:
        if not FOLDER.fullmatch(self.folder):  # its Python will be run
            raise UnsafeNameError(self.folder, "is not a folder name that speechhub gives to environments")


def write_record(home: Path, record: Record) -> None:
    """Write *record* of the environment in *home*, whole or not at all.

    A record that is there and cannot be read is kept aside.
    """
    try:
        read_record(home)
    except ValueError:
        keep_aside(home / RECORD_NAME)
    temporary = home / f".{RECORD_NAME}.new"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
    temporary.replace(home / RECORD_NAME)


def read_record(home: Path) -> Record | None:
    """Return the record in *home*; None if there is none.

    Raises:
        ValueError: There is one that cannot be read.
    """
    found = read_file(home / RECORD_NAME, Record)
    if isinstance(found, Damage):
        raise ValueError(f"{RECORD_NAME} {found.problem}")  # noqa: TRY004  # it is what callers expect
    if found is not None and found.version > VERSION:
        raise ValueError(f"{RECORD_NAME} was written by a newer speechhub (version {found.version})")
    return found


def state_of(search_path: tuple[Path, ...], version: str) -> str:
    """Return a text that changes when packages come or go, or when the hub is another *version*.

    pip and uv rename a distribution's folder into place and out of it, which changes the folder above.
    Whole seconds, because the layers of container images keep no fractions.
    """
    times = [str(int(folder.stat().st_mtime)) if folder.is_dir() else "gone" for folder in search_path]
    return " ".join([version, *times])


def spec_of(raw: Mapping[str, Any]) -> EngineSpec:
    """Return the spec that *raw* was made from.

    Raises:
        ValueError: It is not the fields of a spec.
    """
    try:
        spec = _built(EngineSpec, raw, Slot(raw["slot"]).capabilities)
        for model in spec.models:
            model.check_names()
    except (KeyError, TypeError, ValueError, msgspec.ValidationError, ConfigurationError) as error:
        raise ValueError(f"the recorded description cannot be read: {error}") from error
    return spec


def model_of(raw: Mapping[str, Any]) -> ModelSpec:
    """Return the model that *raw* was made from, without capabilities of its own.

    Raises:
        ValueError: It is not the fields of a model.
    """
    model = _built(ModelSpec, raw, NoneType)
    model.check_names()
    return model


def _built(kind: type[Described], raw: Mapping[str, Any], capabilities: type) -> Described:
    """Build a spec field by field: the slot tells the class of `capabilities`, and the field does not."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.name not in raw:
            continue
        value = raw[field.name]
        if field.name == "capabilities":
            value = None if value is None else msgspec.convert(value, capabilities)
        elif field.name == "models":
            value = tuple(_built(ModelSpec, model, capabilities) for model in value)
        else:
            value = msgspec.convert(value, hints[field.name])
        values[field.name] = value
    return kind(**values)

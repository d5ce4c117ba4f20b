"""known.json: the models of the plugins in this repository, for a hub that has not installed them."""

import dataclasses
import importlib
import json
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from speechhub.engine import EngineSpec, ModelSpec

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT: Final = {"capabilities", "languages", "voices"}
"""Fields of a model that matter only once its engine is installed."""


def known_engines() -> str:
    """Return the file's text: the engines of all plugins whose models have files, by distribution."""
    told = [
        one for project in sorted(ROOT.glob("plugins/*/pyproject.toml")) for one in _engines(project.parent)
    ]
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _engines(folder: Path) -> Iterator[dict[str, Any]]:
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    for points in project["entry-points"].values():
        for value in points.values():
            spec = _spec(folder, value)
            models = [_shown(model) for model in spec.models if model.needs_files]
            if models:
                yield {
                    "distribution": project["name"],
                    "engine": spec.name,
                    "slot": spec.slot.value,
                    "devices": list(spec.devices),
                    "models": models,
                }


def _spec(folder: Path, entry: str) -> EngineSpec:
    module, _, name = entry.partition(":")
    with _importable(folder / "src", module):
        spec: EngineSpec = getattr(importlib.import_module(module), name)
    return spec


@contextmanager
def _importable(source: Path, package: str) -> Iterator[None]:
    """Let *package* be imported from *source*; afterwards it is as absent, or as installed, as before."""
    before = set(sys.modules)
    sys.path.insert(0, str(source))
    try:
        yield
    finally:
        sys.path.remove(str(source))
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == package:
                del sys.modules[name]


def _shown(model: ModelSpec) -> dict[str, Any]:
    """Return the fields of *model* that say something."""
    return {
        field.name: _plain(getattr(model, field.name))
        for field in dataclasses.fields(model)
        if field.name not in LEFT_OUT and getattr(model, field.name) != field.default
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if not dataclasses.is_dataclass(value):
        return value
    fields = [field for field in dataclasses.fields(value) if getattr(value, field.name) != field.default]
    return {field.name: _plain(getattr(value, field.name)) for field in fields}

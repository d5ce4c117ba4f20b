"""Engines and models that can be installed: what the hub knows about them before their installation.

``known.json`` beside this file is made from the plugins by scripts/generate_docs.py, so that the code names
no engine. It says where a model's files are and what its licence demands: enough to fetch the model
beforehand, and to tell a client that asks for it what to install.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from speechhub.engine import ModelSpec, Slot
from speechhub.environments.folders import environment_name
from speechhub.environments.record import model_of

FILE: Final = Path(__file__).with_name("known.json")
LEAST_CHARS: Final = 5
"""Shortest beginning of a name that identifies its family, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEngine:
    """An engine that can be installed."""

    distribution: str
    """Name of the plugin's distribution."""
    engine: str
    """Name of the engine."""
    slot: Slot
    devices: tuple[str, ...]
    """Kinds of device that it runs on, best first."""
    models: tuple[ModelSpec, ...]
    """Its models that have files, without what matters only once it is installed."""

    @property
    def name(self) -> str:
        """What ``speechhub engines install`` calls it."""
        return environment_name(self.distribution)

    @property
    def advice(self) -> str:
        """Say which command installs it, where the server runs."""
        return f"Install it: speechhub engines install {self.name}. Then start the server again."


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model, and the engine that would run it."""

    engine: KnownEngine
    model: ModelSpec

    @property
    def advice(self) -> str:
        """Say which commands make the model usable, where the server runs."""
        accept = " --accept-license" if self.model.must_accept_licence else ""
        return (
            f"Install its engine: speechhub engines install {self.engine.name}. Fetch its files: speechhub "
            f"models pull {self.model.id}{accept}. Then start the server again."
        )


@cache
def known_engines(file: Path = FILE) -> tuple[KnownEngine, ...]:
    """Return the engines that this speechhub knows, installed or not."""
    engines: list[dict[str, Any]] = json.loads(file.read_bytes())
    return tuple(
        KnownEngine(
            distribution=one["distribution"],
            engine=one["engine"],
            slot=Slot(one["slot"]),
            devices=tuple(one["devices"]),
            models=tuple(map(model_of, one["models"])),
        )
        for one in engines
    )


def not_installed(installed: Collection[str]) -> tuple[KnownEngine, ...]:
    """Return the known engines that are not among those named."""
    return tuple(one for one in known_engines() if one.engine not in installed)


def known_model(name: str, engines: Iterable[KnownEngine]) -> KnownModel | None:
    """Return the model of this id."""
    return next((one for one in _models(engines) if one.model.id == name), None)


def near_model(name: str, engines: Iterable[KnownEngine]) -> KnownModel | None:
    """Return the model that a client means by another spelling, or by the name of its family.

    Of a family it is the one that is preferred.
    """
    models = list(_models(engines))
    meant = bare(name)
    spelled = [one for one in models if meant in spellings(one.model)]
    family = [one for one in models if len(meant) >= LEAST_CHARS and bare(one.model.id).startswith(meant)]
    return max(spelled or family, key=lambda one: one.model.preference, default=None)


def spellings(model: ModelSpec) -> set[str]:
    """Return `bare` names of the model: of its id, and of the repository that holds nothing else."""
    alone = model.hub is not None and not model.hub.prefix
    return {bare(model.id), *([bare(model.hub.repo)] if model.hub and alone else [])}


def bare(name: str) -> str:
    """Return what the spellings of a model's name share: ``Qwen/Qwen3-ASR-0.6B`` → ``qwen3asr06b``."""
    return re.sub(r"[\W_]+", "", name.rstrip("/").rpartition("/")[2].casefold())


def _models(engines: Iterable[KnownEngine]) -> Iterator[KnownModel]:
    for engine in engines:
        for model in engine.models:
            yield KnownModel(engine=engine, model=model)

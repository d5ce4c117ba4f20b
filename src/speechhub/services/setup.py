"""Plan of what a machine with a GPU needs in order to serve from it, made of facts.

The models are chosen among those that are known and that run on a GPU first: of each task the one that is
preferred, if it fits into the card's memory.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from speechhub.engine import ModelPart, ModelSpec, Slot
from speechhub.environments.builds import Choice, choose_build, fault_of
from speechhub.environments.known import KnownEngine, KnownModel, known_engines
from speechhub.errors import ConfigurationError
from speechhub.gpu.values import GpuDevice
from speechhub.services.machine import Machine
from speechhub.store import Licences, ModelState, ModelStore

CPU: Final = "cpu"
FIRST_DOWNLOAD_BYTES: Final = {CPU: 400_000_000, "": 3_500_000_000}
"""Rough download of an environment with PyTorch, by build; the empty name stands for any build for CUDA."""
NEXT_DOWNLOAD_BYTES: Final = 500_000_000
"""The same for one more: pip keeps PyTorch's wheels."""
DISK_BYTES: Final = {CPU: 1_200_000_000, "": 6_500_000_000}
"""What an environment takes on disk. Source: docs/hardware.md, measured for the CPU, published for CUDA."""
CPU_FACTOR: Final = 2
"""A model takes twice the memory where it computes in 32 bits, as many processors do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStep:
    """An engine's environment."""

    engine: KnownEngine
    build: str
    """Build of PyTorch that it gets, or has."""
    todo: bool
    """Whether it has to be installed."""
    download_bytes: int = 0
    disk_bytes: int = 0
    former: str = ""
    """Build that is installed and does not serve the card; empty if none is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsStep:
    """A model's files."""

    model: ModelSpec
    parts: tuple[str, ...]
    """Optional parts that are fetched too, or are there already."""
    todo: bool
    """Whether anything has to be fetched."""
    must_accept: bool
    """Whether the licence has conditions that are not accepted yet."""
    download_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupPlan:
    """The steps to take, and their cost."""

    card: GpuDevice | None
    """Where the engines will compute; None on the CPU."""
    choice: Choice
    """The build of PyTorch, and why."""
    engines: tuple[EngineStep, ...]
    weights: tuple[WeightsStep, ...]
    larger: tuple[ModelSpec, ...] = ()
    """Other models of these engines that would fit and take more memory: they make fewer errors."""
    too_large: tuple[ModelSpec, ...] = ()
    """The models that are preferred for a task, where none fits."""

    @property
    def download_bytes(self) -> int:
        """What comes over the network, roughly."""
        return sum(step.download_bytes for step in self.engines) + self._weights_bytes

    @property
    def disk_bytes(self) -> int:
        """What it takes on disk, roughly."""
        return sum(step.disk_bytes for step in self.engines) + self._weights_bytes

    @property
    def _weights_bytes(self) -> int:
        return sum(step.download_bytes for step in self.weights)

    @property
    def todo(self) -> bool:
        """Whether anything is to be done."""
        return any(step.todo for step in self.engines) or any(
            step.todo or step.must_accept for step in self.weights
        )

    @property
    def to_accept(self) -> tuple[ModelSpec, ...]:
        """Models whose licence has to be accepted first."""
        return tuple(step.model for step in self.weights if step.must_accept)

    @property
    def defaults(self) -> dict[Slot, str]:
        """The model of each task."""
        return {
            engine.engine.slot: weights.model.id
            for engine, weights in zip(self.engines, self.weights, strict=True)
        }

    def disk_fault(self, free_bytes: int) -> str:
        """Return why this much free disk is too little; empty if it is enough."""
        if self.disk_bytes <= free_bytes:
            return ""
        return (
            f"This takes about {self.disk_bytes / 1e9:.0f} GB of disk, and {free_bytes / 1e9:.1f} GB are "
            "free. Free some, or set SPEECHHUB_HOME to a folder on another disk."
        )


def choose_models(
    memory_bytes: int, engines: Iterable[KnownEngine]
) -> tuple[list[KnownModel], list[ModelSpec]]:
    """Return for each task the preferred model that fits, and for tasks without one what does not.

    Args:
        memory_bytes: Of the device.
        engines: What to choose among; those that run on a GPU first count.
    """
    chosen: list[KnownModel] = []
    too_large: list[ModelSpec] = []
    able = [engine for engine in engines if engine.devices[:1] == ("cuda",)]
    for slot in Slot:
        models = [
            KnownModel(engine=engine, model=model)
            for engine in able
            if engine.slot is slot
            for model in engine.models
        ]
        if not models:
            continue
        favourite = max(models, key=_preference)
        # An engine other than the favourite's is the operator's own choice, and is not planned.
        family = [one for one in models if one.engine == favourite.engine]
        fitting = [one for one in family if one.model.memory_bytes <= memory_bytes]
        if fitting:
            chosen.append(max(fitting, key=_preference))
        else:
            too_large.append(favourite.model)
    return chosen, too_large


def _preference(one: KnownModel) -> int:
    return one.model.preference


def make_plan(
    machine: Machine,
    *,
    store: ModelStore,
    licences: Licences,
    only: Collection[str] = (),
    parts: Collection[str] = (),
    on_cpu: bool = False,
    engines: Sequence[KnownEngine] | None = None,
) -> SetupPlan:
    """Return what this machine needs.

    Args:
        machine: What `look` found.
        store: Tells which files are there.
        licences: Tells which licences are accepted.
        only: Names of the engines to install; empty means all that fit.
        parts: Names of optional parts to fetch.
        on_cpu: Whether to plan for the CPU, whatever GPU there is.
        engines: What to choose among; by default all that are known.

    Raises:
        ConfigurationError: No build of PyTorch serves the card, there is no such engine, or nothing fits.
    """
    known = _named(known_engines() if engines is None else engines, only)
    card = None if on_cpu else machine.card
    memory_bytes = card.total_bytes if card else machine.host_memory_bytes // CPU_FACTOR
    choice = Choice(build=CPU, reason="the CPU is asked for") if on_cpu else choose_build(machine.driver)
    chosen, too_large = choose_models(memory_bytes, known)
    weights = [_weights(one.model, parts, store, licences) for one in chosen]
    return SetupPlan(
        card=card,
        choice=choice,
        engines=tuple(_engine_steps([one.engine for one in chosen], machine, choice)),
        weights=tuple(weights),
        larger=tuple(
            model
            for one in chosen
            for model in one.engine.models
            if one.model.memory_bytes < model.memory_bytes <= memory_bytes
        ),
        too_large=tuple(too_large),
    )


def _named(engines: Sequence[KnownEngine], names: Collection[str]) -> list[KnownEngine]:
    able = [engine for engine in engines if engine.devices[:1] == ("cuda",)]
    known = [engine.name for engine in able]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"There is no engine {name!r} for a GPU; there are: {', '.join(known)}.")
    return [engine for engine in able if not names or engine.name in names]


def _engine_steps(engines: Sequence[KnownEngine], machine: Machine, choice: Choice) -> list[EngineStep]:
    steps: list[EngineStep] = []
    kind = CPU if choice.build == CPU else ""
    for engine in engines:
        former = machine.builds.get(engine.engine, "")
        if engine.engine in machine.builds and _serves(former, machine, choice):
            steps.append(EngineStep(engine=engine, build=former or "", todo=False))
            continue
        first = not any(step.todo for step in steps)
        steps.append(
            EngineStep(
                engine=engine,
                build=choice.build,
                todo=True,
                download_bytes=FIRST_DOWNLOAD_BYTES[kind] if first else NEXT_DOWNLOAD_BYTES,
                disk_bytes=DISK_BYTES[kind],
                former=former or "",
            )
        )
    return steps


def _serves(former: str | None, machine: Machine, choice: Choice) -> bool:
    """Tell whether the environment that is there will do; what is not ours to judge will."""
    if not former or choice.build == CPU:
        return True
    return former != CPU and not fault_of(former, machine.driver)


def _weights(model: ModelSpec, parts: Collection[str], store: ModelStore, licences: Licences) -> WeightsStep:
    status = store.status(model)
    optional = [part.name for part in model.parts if part.optional]
    own = tuple(name for name in optional if name in parts or name in status.parts)
    missing: list[ModelSpec | ModelPart] = []
    if status.state is not ModelState.READY:
        missing += [model, *(part for part in model.parts if not part.optional)]
    missing += [part for part in model.parts if part.name in own and part.name not in status.parts]
    return WeightsStep(
        model=model,
        parts=own,
        todo=bool(missing),
        must_accept=not licences.allow(model),
        download_bytes=sum(needed.download_bytes for needed in missing),
    )

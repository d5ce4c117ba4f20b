"""Placements: decides where each model runs, from engines, settings and devices. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from speechhub.discovery import InstalledEngine
from speechhub.engine import (
    Compute,
    EngineSpec,
    HubSource,
    ModelFile,
    ModelPart,
    ModelSpec,
    Slot,
    SttCapabilities,
)
from speechhub.engine.capabilities import Capabilities
from speechhub.errors import ConfigurationError
from speechhub.gpu.values import GpuDevice
from speechhub.settings import ModelSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A place that engines run on."""

    name: str
    """``cpu``, ``cuda:0`` …"""
    exclusive: bool
    """Whether it holds one engine at a time."""
    memory_bytes: int = 0
    """What the engines on a shared device may take together; 0 means no limit."""
    capability: str = ""
    """Compute capability of a GPU, such as ``8.6``; empty if it is not known."""

    @property
    def kind(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.name.partition(":")[0]

    @property
    def verified(self) -> bool:
        """Whether its memory must be proved free after each worker: drivers of GPUs give it back late."""
        return self.exclusive and self.kind != "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A model, the engine that runs it, and the device that it runs on."""

    engine: InstalledEngine
    model: ModelSpec
    device: Device
    path: Path | None = None
    """The operator's own folder with the model's files."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The operator's options for the engine."""
    device_note: str = ""
    """Why it is not on a better device, and what to do about it; empty where it is on its best one."""
    fallback: Device | None = None
    """Where it goes if its environment turns out not to be able to compute on `device`; None if nowhere, as
    where the operator named the device."""

    def fallen_back(self, reason: str) -> "Placement":
        """Return the placement on `fallback`, which must be there; *reason* is why."""
        if self.fallback is None:
            raise ValueError(f"{self.model.id} has no other device")
        here, before = self.fallback.name, self.device.name
        note = f"It runs on {here} and no longer on {before}: {reason}"
        return replace(self, device=self.fallback, fallback=None, device_note=note)

    @property
    def slot(self) -> Slot:
        """Which kind of work the engine does."""
        return self.engine.spec.slot

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do with all its parts."""
        return self.engine.spec.capabilities_of(self.model)

    @property
    def max_batch(self) -> int:
        """How many recordings one call of the engine may carry; 1 for one that does not transcribe."""
        return self.capabilities.max_batch if isinstance(self.capabilities, SttCapabilities) else 1

    def lacks(self, parts: Collection[str]) -> dict[str, ModelPart]:
        """Return the capabilities that the model lacks, and the part that each of them needs.

        Args:
            parts: Names of its optional parts that are there.
        """
        return {
            part.enables: part
            for part in self.model.parts
            if part.enables and part.name not in parts and not self.options.get(part.option)
        }


def devices_of(
    settings: Settings, *, gpus: Sequence[GpuDevice], host_memory_bytes: int
) -> tuple[Device, ...]:
    """Return the devices of this machine, GPUs first.

    Args:
        settings: The operator's wishes.
        gpus: Those that CUDA shows.
        host_memory_bytes: The machine's memory.
    """
    return (
        *(Device(name=gpu.cuda_name, exclusive=True, capability=gpu.compute_capability) for gpu in gpus),
        Device(
            name="cpu",
            exclusive=settings.cpu_exclusive,
            memory_bytes=settings.cpu_memory_bytes or host_memory_bytes * 3 // 4,
        ),
    )


def wish_for(engine: InstalledEngine, settings: Settings) -> str:
    """Return the device that the operator wants for an engine; ``auto`` leaves it to speechhub."""
    return str(settings.engines.get(engine.spec.name, {}).get("device", settings.device))


def place(
    engines: Iterable[InstalledEngine],
    settings: Settings,
    devices: Sequence[Device],
    computes: Mapping[str, Compute] | None = None,
    *,
    gpu_problem: str = "",
    uninstalled: Mapping[str, str] | None = None,
) -> dict[str, Placement]:
    """Return every model that can be served here, by id; engines that need a missing device are left out.

    Args:
        engines: All that are installed.
        settings: The operator's wishes.
        devices: Those of this machine, best first.
        computes: Engine → what its environment can compute on; one that is not there can use all.
        gpu_problem: Why there is no GPU, for an operator who named one.
        uninstalled: Engines that are known and not installed → what to do about that.

    Raises:
        ConfigurationError: Two engines serve one model id, or a setting names what is not there.
    """
    by_name = {engine.spec.name: engine for engine in engines}
    for name in settings.engines:
        if name not in by_name:
            raise ConfigurationError(f"Setting engines.{name}: {_lacking(name, by_name, uninstalled)}")
    placements: dict[str, Placement] = {}
    for engine, model, path in _models(by_name, settings, uninstalled):
        options = dict(settings.engines.get(engine.spec.name, {}))
        options.pop("device", None)
        wish = wish_for(engine, settings)
        if wish != "auto" and all(device.name != wish for device in devices):
            here = ", ".join(device.name for device in devices)
            why = f" {gpu_problem}" if gpu_problem and wish.startswith("cuda") else ""
            raise ConfigurationError(f"There is no device {wish!r} on this machine; it has {here}.{why}")
        found = _device_for(engine, wish, devices, (computes or {}).get(engine.spec.name))
        if found is None:
            continue
        other = placements.get(model.id)
        if other is not None:
            raise ConfigurationError(
                f"Model {model.id!r} is served by two engines: {other.engine.distribution} and "
                f"{engine.distribution}. Uninstall one, or rename the model in the settings."
            )
        placements[model.id] = Placement(
            engine=engine,
            model=model,
            device=found.device,
            path=path,
            options=options,
            device_note=found.note,
            fallback=found.fallback,
        )
    return placements


def notes(placements: Iterable[Placement]) -> list[tuple[str, str]]:
    """Return each engine that is not on its best device, with why and what to do; each reason once."""
    found = {
        (placement.engine.spec.name, placement.device_note): None
        for placement in placements
        if placement.device_note
    }
    return list(found)


def _lacking(name: str, engines: Iterable[str], uninstalled: Mapping[str, str] | None) -> str:
    """Return the message for a setting that names a missing engine, and what to do about it."""
    advice = (uninstalled or {}).get(name)
    if advice:
        return f"the engine {name!r} is not installed. {advice}"
    return f"there is no engine {name!r}; installed: {', '.join(sorted(engines)) or 'none'}."


def _models(
    engines: Mapping[str, InstalledEngine], settings: Settings, uninstalled: Mapping[str, str] | None
) -> Iterable[tuple[InstalledEngine, ModelSpec, Path | None]]:
    for engine in engines.values():
        for model in engine.spec.models:
            if model.id not in settings.models:
                yield engine, model, None
    for name, own in settings.models.items():
        if not name:
            raise ConfigurationError("Setting models: one model has an empty name; give it a name.")
        wanted = engines.get(own.engine)
        if wanted is None:
            raise ConfigurationError(f"Setting models.{name}: {_lacking(own.engine, engines, uninstalled)}")
        known = {model.id: model for model in wanted.spec.models}.get(name)
        if known is None and not wanted.spec.accepts_any_model:
            raise ConfigurationError(
                f"Setting models.{name}: engine {own.engine!r} runs its own models only: "
                f"{', '.join(m.id for m in wanted.spec.models)}."
            )
        base = known or _relative(name, wanted.spec)
        yield wanted, _model_of(base, own), own.path.expanduser().absolute() if own.path else None


def _relative(name: str, spec: EngineSpec) -> ModelSpec:
    """Return what is known of a model that only the operator knows, by the others of its engine."""
    base = ModelSpec(id=name, parts=_family_parts(spec))
    if not spec.models or not all(model.must_accept_licence for model in spec.models):
        return base
    # Another name, or another place, must be no way around a licence.
    return replace(
        base,
        licence=spec.models[0].licence,
        licence_url=spec.models[0].licence_url,
        must_accept_licence=True,
    )


def _family_parts(spec: EngineSpec) -> tuple[ModelPart, ...]:
    """Return the optional parts that all models of the engine have: others of the family have them, too."""
    first, *others = spec.models or (ModelSpec(id=""),)
    return tuple(p for p in first.parts if p.optional and all(p in other.parts for other in others))


def _model_of(known: ModelSpec, own: ModelSettings) -> ModelSpec:
    """Return *known* with files from where the operator wants them."""
    if (own.path is None) == (own.hub is None):
        raise ConfigurationError(f"Setting models.{known.id}: set either path or hub, and not both.")
    hub = None
    if own.hub is not None:
        repo, _, revision = own.hub.partition("@")
        hub = HubSource(repo=repo, revision=revision or "main", prefix=own.prefix)
    model = replace(
        known,
        hub=hub,
        files=tuple(ModelFile(path=path) for path in own.files),
        languages=own.languages or known.languages,
    )
    model.check_names()
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    device: Device
    note: str = ""
    fallback: Device | None = None


def _device_for(
    engine: InstalledEngine, wish: str, devices: Sequence[Device], compute: Compute | None
) -> _Choice | None:
    kinds = engine.spec.devices
    problems = {
        device.name: compute.why_not(device.kind, device.capability) if compute else "" for device in devices
    }
    fix = f" To change that: {compute.fix}" if compute and compute.fix else ""
    if wish != "auto":
        named = next(device for device in devices if device.name == wish)
        if named.kind in kinds:
            problem = problems[named.name]
            note = f"{named.name} was requested but cannot be used: {problem}{fix}" if problem else ""
            return _Choice(device=named, note=note)
    possible = [device for kind in kinds for device in devices if device.kind == kind]
    if not possible:
        return None
    best = possible[0]
    usable = [device for device in possible if not problems[device.name]]
    if not usable:
        return _Choice(device=best, note=f"It cannot use {best.name}: {problems[best.name]}{fix}")
    chosen = usable[0]
    note = ""
    if chosen is not best:
        note = f"It runs on {chosen.name} and not on {best.name}: {problems[best.name]}{fix}"
    on_gpu = chosen.kind == "cuda"
    cpu = next((device for device in usable if on_gpu and device.kind == "cpu"), None)
    return _Choice(device=chosen, note=note, fallback=cpu)

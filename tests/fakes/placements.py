"""Models that exist on paper only."""

from pathlib import Path

from speechhub.discovery import InstalledEngine
from speechhub.engine import EngineSpec, ModelPart, ModelSpec, Slot, Voice
from speechhub.engine.capabilities import Capabilities
from speechhub.placement import Device, Placement

GPU = Device(name="cuda:0", exclusive=True)
CPU = Device(name="cpu", exclusive=False, memory_bytes=100)


def placement(
    model: str,
    *,
    slot: Slot = Slot.STT,
    device: Device = GPU,
    memory_bytes: int = 10,
    capabilities: Capabilities | None = None,
    voices: tuple[Voice, ...] = (),
    preference: int = 0,
    languages: tuple[str, ...] = (),
    parts: tuple[ModelPart, ...] = (),
    licence: str = "",
) -> Placement:
    """Return a placement of *model* by an engine that is not installed; a *licence* must be accepted."""
    spec = EngineSpec(
        name=f"engine-of-{model}",
        slot=slot,
        factory="nowhere:Engine",
        capabilities=capabilities or slot.capabilities(),
        devices=(device.kind,),
        models=(
            ModelSpec(
                id=model,
                memory_bytes=memory_bytes,
                voices=voices,
                preference=preference,
                languages=languages,
                parts=parts,
                licence=licence,
                must_accept_licence=bool(licence),
            ),
        ),
    )
    engine = InstalledEngine(spec=spec, distribution=f"dist-{model} 1", python=Path("/nowhere"))
    return Placement(engine=engine, model=spec.models[0], device=device)


def placements(*made: Placement) -> dict[str, Placement]:
    """Return placements by model."""
    return {it.model.id: it for it in made}

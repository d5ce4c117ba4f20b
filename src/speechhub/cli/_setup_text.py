"""The plan of ``speechhub setup`` as text. Pure."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from speechhub.cli._licences import licence_text
from speechhub.cli._tables import readable

if TYPE_CHECKING:
    from speechhub.engine import ModelSpec
    from speechhub.services.machine import Machine
    from speechhub.services.setup import EngineStep, SetupPlan, WeightsStep

HEAD: Final = ("what", "download", "disk", "memory", "licence")


def plan_text(plan: "SetupPlan", machine: "Machine") -> str:
    """Return what was found, what will be done, and what it costs."""
    rows = [HEAD, *map(_engine_row, plan.engines), *map(_weights_row, plan.weights)]
    if plan.todo:
        rows.append(("together", _about(plan.download_bytes), _about(plan.disk_bytes), "", ""))
    table = [*_aligned(rows), ""] if len(rows) > 1 else []
    lines = [*_found(plan, machine), "", *table, f"Free disk: {readable(machine.free_bytes)}"]
    return "\n".join([*lines, *_licences(plan), *_others(plan)])


def _found(plan: "SetupPlan", machine: "Machine") -> Iterator[str]:
    if plan.card:
        yield f"GPU: {plan.card.name}, {readable(plan.card.total_bytes)}, driver {plan.card.driver}"
        if other := machine.larger_card:
            yield (
                f"Another GPU is larger: {other.name}, {readable(other.total_bytes)}. To use it, set "
                f"CUDA_VISIBLE_DEVICES={other.uuid} for this command and for the server."
            )
    else:
        yield f"CPU, with {readable(machine.host_memory_bytes)} of memory available"
    yield f"Build of PyTorch: {plan.choice.build}, because {plan.choice.reason}"
    if plan.choice.warning:
        yield f"Note: {plan.choice.warning}"


def _licences(plan: "SetupPlan") -> Iterator[str]:
    for model in plan.to_accept:
        yield f"Licence to accept for {model.id}: {licence_text(model)}"
    for step in plan.weights:
        taken = [part.licence for part in step.model.parts if not part.optional or part.name in step.parts]
        if taken:
            yield f"Licences of the parts of {step.model.id}: {', '.join(dict.fromkeys(taken))}"


def _others(plan: "SetupPlan") -> Iterator[str]:
    """Yield notes on the models, and on those that are left out."""
    if len(plan.weights) > 1 and plan.card:
        yield "The models take turns on the GPU: it needs the memory of the larger one."
    for model in plan.too_large:
        yield f"Left out: {model.id} needs {readable(model.memory_bytes)}, more than there is."
    for model in plan.larger:
        yield (
            f"Also fits: {model.id}, with fewer errors for {readable(model.memory_bytes)} of memory and "
            f"{readable(model.download_bytes)} of downloads: speechhub models pull {model.id}, and the "
            f"setting {_setting(plan, model)}"
        )
    for step in plan.weights:
        yield from _parts_left_out(step)


def _parts_left_out(step: "WeightsStep") -> Iterator[str]:
    for part in step.model.parts:
        if part.optional and part.name not in step.parts:
            enables = f", for {part.enables.replace('_', ' ')}" if part.enables else ""
            yield (
                f"Left out: the part {part.name} of {step.model.id}{enables}, "
                f"{readable(part.download_bytes)}; --with {part.name} fetches it"
            )


def _setting(plan: "SetupPlan", model: "ModelSpec") -> str:
    """Return the setting that makes *model* the default of its task."""
    return next(f"{step.engine.slot.value}_model" for step in plan.engines if model in step.engine.models)


def _engine_row(step: "EngineStep") -> Sequence[str]:
    build = f", PyTorch {step.build}" if step.build else ""
    if not step.todo:
        return (f"engine {step.engine.name}{build}", "installed", "", "", "")
    former = f" in place of {step.former}" if step.former else ""
    cost = (_about(step.download_bytes), _about(step.disk_bytes))
    return (f"engine {step.engine.name}{build}{former}", *cost, "", "")


def _weights_row(step: "WeightsStep") -> Sequence[str]:
    parts = "".join(f" +{part}" for part in step.parts)
    licence = f"{step.model.licence}{', to accept' if step.must_accept else ''}"
    cost = _about(step.download_bytes)
    return (
        f"model {step.model.id}{parts}",
        *((cost, cost) if step.todo and step.download_bytes else ("in place", "")),
        readable(step.model.memory_bytes),
        licence,
    )


def _about(size_bytes: int) -> str:
    return f"about {readable(size_bytes)}" if size_bytes else "nothing"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

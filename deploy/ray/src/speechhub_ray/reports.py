"""Reports of replicas: what each hub says about its models, as the router uses it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

FIRST_SERVICE_S: Final = 1.0
"""How long a call is taken to last before one was measured. Source: the hub's own first guess."""
FIRST_SWITCH_S: Final = 5.0
"""How long a switch is taken to last at a replica without a report. Source: the hub's first guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """One model at one replica; times in seconds."""

    name: str
    slot: str
    default: bool = False
    """Whether it is its slot's default model."""
    ready: bool = False
    wait_s: float = 0.0
    """How long a request that came when the report was made would have waited, with the switch to it."""
    switch_s: float = 0.0
    """What a switch to it costs; 0 if it is ready, or shares its device."""
    service_s: float = FIRST_SERVICE_S
    """Running mean of a call."""
    work_s: float = 0.0
    """Engine time since the hub's start."""
    possible: bool = True
    """False while another model is pinned on its device, or while its loads fail."""
    exclusive: bool = True
    """Whether its device holds one engine at a time."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a replica said last."""

    models: Mapping[str, ModelReport]
    draining: bool = False
    """Whether it takes no new work."""

    @classmethod
    def read(cls, stats: Mapping[str, object]) -> "Report | None":
        """Return the report in *stats*; None if it names no model.

        A value that is missing or of another type counts as its default: a replica of another version of the
        hub must not stop the router.
        """
        models = stats.get("models")
        if not isinstance(models, Mapping):
            return None
        read = {
            name: _model(name, values)
            for name, values in models.items()
            if isinstance(name, str) and isinstance(values, Mapping) and isinstance(values.get("slot"), str)
        }
        return cls(models=read, draining=stats.get("draining") is True) if read else None

    @cached_property
    def by_slot(self) -> Mapping[str, ModelReport]:
        """Slot → the model that a request which names none is taken to mean: a ready one, or the default."""
        chosen: dict[str, ModelReport] = {}
        for model in self.models.values():
            best = chosen.get(model.slot)
            if best is None or _likely(model) > _likely(best):
                chosen[model.slot] = model
        return chosen

    @cached_property
    def switch_s(self) -> float:
        """What a switch from one slot to another costs here, whatever is ready now."""
        return max(
            (max(model.switch_s, 0.0) for model in self.models.values() if model.exclusive), default=0.0
        )

    @cached_property
    def shared(self) -> bool:
        """Whether its slots do not exclude each other, so that it is a home of all of them."""
        return len({model.slot for model in self.models.values() if model.exclusive}) < 2  # noqa: PLR2004

    @cached_property
    def ready_slot(self) -> str | None:
        """The slot whose engine holds the device; None if none or several do."""
        slots = {model.slot for model in self.models.values() if model.exclusive and model.ready}
        return next(iter(slots)) if len(slots) == 1 else None

    @cached_property
    def loaded(self) -> bool:
        """Whether the device that the slots share holds an engine."""
        return any(model.exclusive and model.ready for model in self.models.values())

    @cached_property
    def work_s(self) -> Mapping[str, float]:
        """Slot → engine time since the hub's start."""
        work: dict[str, float] = {}
        for model in self.models.values():
            work[model.slot] = work.get(model.slot, 0.0) + model.work_s
        return work

    def model(self, slot: str, name: str | None) -> ModelReport | None:
        """Return the model that a request for *slot*, and perhaps for *name*, means here; None if none is."""
        named = self.models.get(name) if name is not None else None
        return named if named is not None and named.slot == slot else self.by_slot.get(slot)


def _likely(model: ModelReport) -> tuple[bool, bool, bool]:
    return model.possible, model.ready, model.default


def _model(name: str, values: Mapping[str, object]) -> ModelReport:
    return ModelReport(
        name=name,
        slot=str(values["slot"]),
        default=values.get("default") is True,
        ready=values.get("ready") is True,
        wait_s=_seconds(values.get("wait_s"), 0.0),
        switch_s=_seconds(values.get("switch_s"), 0.0),
        service_s=_seconds(values.get("service_s"), FIRST_SERVICE_S) or FIRST_SERVICE_S,
        work_s=_seconds(values.get("work_s"), 0.0),
        possible=values.get("possible") is not False,
        exclusive=values.get("exclusive") is not False,
    )


def _seconds(value: object, otherwise: float) -> float:
    """Return a time that is a finite number of 0 or more; *otherwise* for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return otherwise
    return max(0.0, float(value))

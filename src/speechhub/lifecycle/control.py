"""The protocol by which operators and pages observe and control engines; `Manager` implements it."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from speechhub.engine import DeviceMemory, Slot, Voice
from speechhub.lifecycle.scheduler.served_model import ModelActivity
from speechhub.lifecycle.switches import SwitchLog
from speechhub.placement import Placement


class EngineControl(Protocol):
    """Reports what the engines do, and loads, unloads and pins them; one for each server.

    A state may be out of date as soon as it is returned. Do not read a state and then act on it: ask for what
    you want.
    """

    # ── Looking ──────────────────────────────────────────────────────────────

    @property
    def placements(self) -> Mapping[str, Placement]:
        """Every model that can be served, by id, and where it runs now."""
        ...

    @property
    def switches(self) -> SwitchLog:
        """The last switches, and how long each of their steps took."""
        ...

    def states(self) -> Sequence[ModelActivity]:
        """Return what is going on around every model."""
        ...

    def state(self, model: str) -> ModelActivity:
        """Return what is going on around one model."""
        ...

    def public_state(self, device: str) -> str:
        """Return what *device* is doing, as users see it."""
        ...

    def current_model(self, device: str) -> str | None:
        """Return the model that is ready on *device*; None if none is."""
        ...

    def ready_models(self, device: str) -> Sequence[str]:
        """Return all models that are ready on *device*, by name."""
        ...

    def standby(self, device: str) -> str | None:
        """Return the model whose worker stands by for *device*; None if none does."""
        ...

    def device_note(self, model: str) -> str:
        """Return why a model is not on a better device, and what its engine reported; empty if nothing."""
        ...

    def voices(self, model: str) -> Sequence[Voice]:
        """Return the voices of a model, as far as they are known without loading it."""
        ...

    def memory(self, model: str) -> DeviceMemory | None:
        """Return what the model's worker last reported to hold of its device; None if it reported nothing."""
        ...

    def wait_s(self, model: str) -> float:
        """Return how long a request that comes now for *model* will wait, in seconds, as predicted."""
        ...

    def switch_s(self, device: str) -> float:
        """Return how long a switch on *device* takes, in seconds."""
        ...

    # ── Operating ────────────────────────────────────────────────────────────

    async def switch_to(self, model: str, *, deadline: float = math.inf) -> None:
        """Make *model* ready on its device; return when it is.

        Args:
            model: Id of the model.
            deadline: When waiting is over, by the event loop's clock.

        Raises:
            UnavailableError: The queue is full, the engine was not ready in time, or the server stops.
            ModelFilesError: The model's files are not available.
            EngineLoadError: The engine cannot load the model.
        """
        ...

    async def switch_slot(self, slot: Slot, model: str | None = None) -> str:
        """Make a model of *slot* ready; return its id.

        Args:
            slot: Such as speech to text.
            model: Id of the model; None means the default of the slot.

        Raises:
            ModelNotFoundError: The slot has no such model, or no default.
            UnavailableError, ModelFilesError, EngineLoadError: As for `switch_to`.
        """
        ...

    async def unload(self, model: str) -> None:
        """End the worker of *model* after its running work; return when its process is gone."""
        ...

    async def unload_slot(self, slot: Slot) -> None:
        """End the workers of all models of *slot*; see `unload`."""
        ...

    def pin(self, model: str) -> None:
        """Keep *model* on its device: no other model replaces it there, and it is not unloaded when idle."""
        ...

    def unpin(self, model: str) -> None:
        """End the pin of *model*, if it has one."""
        ...

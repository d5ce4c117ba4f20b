"""Models as services take them: resolved once by the catalog, each with its capabilities."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from speechhub.engine import SttCapabilities, TtsCapabilities
from speechhub.engine.capabilities import Capabilities
from speechhub.placement import Placement

C = TypeVar("C", bound=Capabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotModel(Generic[C]):
    """A model of one slot."""

    placement: Placement
    capabilities: C
    """What it can do with all its parts."""

    @property
    def id(self) -> str:
        """The model's own id."""
        return self.placement.model.id

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes, best first; empty means unknown or any."""
        return self.placement.model.languages


SttModel = SlotModel[SttCapabilities]
"""A model that transcribes."""
TtsModel = SlotModel[TtsCapabilities]
"""A model that speaks."""


def typed(placement: Placement, kind: type[C]) -> SlotModel[C]:
    """Return a model with its capabilities as those of its slot.

    Raises:
        TypeError: It is of another slot.
    """
    capabilities = placement.capabilities
    if not isinstance(capabilities, kind):
        raise TypeError(f"{placement.model.id} has no {kind.__name__}")
    return SlotModel(placement=placement, capabilities=capabilities)

"""States of an engine and the legal moves between them; imports nothing else of speechhub."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """The phase of a worker; an engine without a worker has none."""

    LOADING = "loading"
    """Its process starts and loads the model."""
    READY = "ready"
    """It serves, or is idle."""
    DRAINING = "draining"
    """It finishes its running call, and gets no other."""
    STOPPING = "stopping"
    """It was told to stop; the device is not free before its process has ended."""
    VERIFYING = "verifying"
    """Its process has ended; its GPU counts as taken until the driver shows that the memory is free."""


MOVES: Final = {
    Phase.LOADING: {Phase.READY, Phase.STOPPING, Phase.VERIFYING},
    Phase.READY: {Phase.DRAINING, Phase.STOPPING, Phase.VERIFYING},
    Phase.DRAINING: {Phase.STOPPING, Phase.VERIFYING},
    Phase.STOPPING: {Phase.VERIFYING},
    Phase.VERIFYING: set[Phase](),
}
"""Phase → phases that may follow. A worker's process may end in any of them."""


class PublicState(StrEnum):
    """The state of a device on which no engine is ready, as users see it; otherwise they see the slot's."""

    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    NONE = "NONE"


def public_state(phase: Phase | None, ready: str) -> str:
    """Return the state that users see for an engine in *phase*: *ready*, its slot's, while it is ready."""
    if phase is None:
        return PublicState.NONE
    if phase is Phase.LOADING:
        return PublicState.LOADING
    if phase is Phase.READY:
        return ready
    return PublicState.UNLOADING

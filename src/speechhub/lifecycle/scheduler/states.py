"""States of an engine and the legal moves between them; imports nothing of ours."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a worker stands; an engine without a worker has no phase."""

    LOADING = "loading"
    """Its process starts and loads the model."""
    READY = "ready"
    """It serves, or waits for work."""
    DRAINING = "draining"
    """It finishes the work it has and gets no more."""
    STOPPING = "stopping"
    """It was told to end; the device is not free before the process is gone."""
    VERIFYING = "verifying"
    """Its process is gone; its GPU counts as taken until the driver shows that the memory came back."""


MOVES: Final = {
    Phase.LOADING: {Phase.READY, Phase.STOPPING, Phase.VERIFYING},
    Phase.READY: {Phase.DRAINING, Phase.STOPPING, Phase.VERIFYING},
    Phase.DRAINING: {Phase.STOPPING, Phase.VERIFYING},
    Phase.STOPPING: {Phase.VERIFYING},
    Phase.VERIFYING: set[Phase](),
}
"""Phase → phases that may follow. A worker may vanish from any of them."""


class PublicState(StrEnum):
    """What a device is doing, as users see it."""

    NONE = "NONE"
    LOADING = "LOADING"
    STT = "STT"
    TTS = "TTS"
    UNLOADING = "UNLOADING"


def public_state(phase: Phase | None, slot: str) -> PublicState:
    """Return what users see of an engine of *slot* (``stt`` or ``tts``) in *phase*."""
    if phase is None:
        return PublicState.NONE
    if phase is Phase.LOADING:
        return PublicState.LOADING
    if phase is Phase.READY:
        return PublicState(slot.upper())
    return PublicState.UNLOADING

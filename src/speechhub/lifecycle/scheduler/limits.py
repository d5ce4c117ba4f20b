"""What the operator lets the scheduler do."""

from dataclasses import dataclass, field

from speechhub.engine import Slot
from speechhub.lifecycle.scheduler.policy import NetRent, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that the scheduler keeps, and its policy; times in seconds."""

    queue_limit: int = 32
    """Tickets that may wait for one model."""
    queue_limit_s: float = 0.0
    """How long a ticket may have to wait for its answer, as predicted, if another one waits already; 0 means
    until its deadline."""
    switch_timeout_s: float = 30.0
    first_load_timeout_s: float = 120.0
    idle_unload_s: float = 300.0
    """0 means never."""
    batch_audio_s: float = 120.0
    """Audio that several tickets may bring into one call together; one ticket may always have more."""
    recycle_after_calls: int = 0
    """Calls after which a worker is replaced when nobody waits for it; 0 means never."""
    stt_max_wait_s: float = 30.0
    tts_max_wait_s: float = 30.0
    policy: Policy = field(default_factory=NetRent)

    def max_wait_s(self, slot: Slot) -> float:
        """Return how long the first in a line of *slot* may wait before it gets its turn."""
        return self.stt_max_wait_s if slot is Slot.STT else self.tts_max_wait_s

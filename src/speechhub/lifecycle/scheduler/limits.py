"""Limits that the operator sets for the scheduler."""

from dataclasses import dataclass, field
from typing import Final

from speechhub.engine import Slot
from speechhub.lifecycle.scheduler.policy import NetRent, Policy

MAX_WAIT_S: Final = 30.0
"""How long a request waits for its turn at most, in a slot without a limit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that the scheduler keeps, and its policy; times in seconds."""

    queue_limit: int = 32
    """Tickets that may wait for one model."""
    queue_limit_s: float = 0.0
    """Longest predicted time to the answer with which a ticket is admitted while others wait; 0 means until
    its deadline."""
    switch_timeout_s: float = 30.0
    first_load_timeout_s: float = 120.0
    idle_unload_s: float = 300.0
    """0 means never."""
    batch_audio_s: float = 120.0
    """Seconds of audio that the tickets of one call may have together; a single ticket may have more."""
    recycle_after_calls: int = 0
    """Calls after which a worker is replaced once no request waits for it; 0 means never."""
    stt_max_wait_s: float = MAX_WAIT_S
    tts_max_wait_s: float = MAX_WAIT_S
    policy: Policy = field(default_factory=NetRent)

    def max_wait_s(self, slot: Slot) -> float:
        """Return how long the first ticket of a queue of *slot* may wait before it gets its turn."""
        wait_s: float = getattr(self, slot.wait_setting, MAX_WAIT_S)
        return wait_s

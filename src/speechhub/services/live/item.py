"""Item: one utterance of a session, from its first sound to its transcript."""

import os
from dataclasses import dataclass, field

from speechhub.services.agreement import Agreement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One utterance of a session."""

    start_ms: int
    id: str = field(default_factory=lambda: f"item_{os.urandom(10).hex()}")
    agreement: Agreement = field(default_factory=Agreement)
    """Which of its text is out."""

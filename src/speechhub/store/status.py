"""A model's status in the store, found without touching the network."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class ModelState(StrEnum):
    """Whether a model's files are in place, and if not, where they would come from."""

    READY = "ready"
    """In place, or no files needed."""
    WHEEL = "wheel"
    """In installed wheels; the first use puts them in place, without a network."""
    HUB = "hub"
    """On a hub; the first use downloads them."""
    MISSING = "missing"
    """Not here, and not available from any configured source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """The state of one model's files."""

    state: ModelState
    """Whether the files are in place."""
    path: Path | None = None
    """Folder with the files; None unless ready, and for models without files."""
    origin: str = ""
    """Where the files came from, such as ``hub:owner/name@main`` or ``folder``; empty unless ready."""
    size_bytes: int = 0
    """Size of the files; 0 unless ready."""
    parts: tuple[str, ...] = ()
    """Optional parts that are in place."""
    detail: str = ""
    """Why the model is not ready, in words; empty if it is."""
    pinned: tuple[str, ...] = ()
    """What the operator pinned, as ``owner/name@commit``, or with the branch if no commit is known."""
    moving: tuple[str, ...] = ()
    """Sources whose files can change, as ``owner/name@branch``; empty if all are fixed."""
    pin_faults: tuple[str, ...] = ()
    """Pins that cannot be read, in words."""

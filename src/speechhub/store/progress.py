"""Progress of a pull."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """The state of a pull at one moment."""

    model: str
    """Id of the model."""
    file: str
    """The file that is being put in place."""
    done_bytes: int
    """Bytes of all files together, including those from an earlier, interrupted pull."""
    total_bytes: int | None
    """Size of all files together; None if it is unknown, or not known yet."""
    fetched_bytes: int = 0
    """Bytes that this pull fetched."""
    waiting: str = ""
    """Why the pull waits, in words; empty when bytes have arrived."""


class ProgressMeter:
    """Counts the bytes of one pull and informs the listener; lives as long as the pull."""

    def __init__(self, model: str, listener: Callable[[PullProgress], None] | None) -> None:
        self.total_bytes: int | None = None
        """Set once it is known."""
        self._model = model
        self._listener = listener
        self._done_bytes = 0
        self._fetched_bytes = 0
        self._file = ""

    def add(self, file: str, n_bytes: int) -> None:
        """Count *n_bytes* more of *file*; negative if bytes turn out to be unusable."""
        self._fetched_bytes += max(n_bytes, 0)
        self._count(file, n_bytes)

    def find(self, file: str, n_bytes: int) -> None:
        """Count *n_bytes* of *file* that an earlier pull fetched."""
        self._count(file, n_bytes)

    def _count(self, file: str, n_bytes: int) -> None:
        self._file = file
        self._done_bytes += n_bytes
        self._tell("")

    def wait(self, reason: str) -> None:
        """Report why the pull waits."""
        self._tell(reason)

    def _tell(self, waiting: str) -> None:
        if self._listener:
            self._listener(
                PullProgress(
                    model=self._model,
                    file=self._file,
                    done_bytes=self._done_bytes,
                    fetched_bytes=self._fetched_bytes,
                    total_bytes=self.total_bytes,
                    waiting=waiting,
                )
            )

"""Progress of a pull."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """A moment in the life of a pull."""

    model: str
    """Id of the model."""
    file: str
    """The file that is being put in place."""
    done_bytes: int
    """Of all files together, those of an earlier, interrupted pull included."""
    total_bytes: int | None
    """Of all files together; None if it is not known, or not yet."""
    fetched_bytes: int = 0
    """Of these, what came in this pull."""
    waiting: str = ""
    """Why nothing comes at the moment, for people; empty when bytes have come."""


class ProgressMeter:
    """Counts the bytes of one pull and tells the listener; lives as long as the pull."""

    def __init__(self, model: str, listener: Callable[[PullProgress], None] | None) -> None:
        self.total_bytes: int | None = None
        """Set once it is known."""
        self._model = model
        self._listener = listener
        self._done_bytes = 0
        self._fetched_bytes = 0
        self._file = ""

    def add(self, file: str, n_bytes: int) -> None:
        """Count *n_bytes* more of *file*; negative where bytes turn out to be useless."""
        self._fetched_bytes += max(n_bytes, 0)
        self._count(file, n_bytes)

    def find(self, file: str, n_bytes: int) -> None:
        """Count *n_bytes* of *file* that an earlier pull brought."""
        self._count(file, n_bytes)

    def _count(self, file: str, n_bytes: int) -> None:
        self._file = file
        self._done_bytes += n_bytes
        self._tell("")

    def wait(self, reason: str) -> None:
        """Tell why nothing comes."""
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

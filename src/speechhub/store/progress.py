"""How far a pull has come."""

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
    """Of all files together; None if a source does not tell."""


class ProgressMeter:
    """Counts the bytes of one pull and tells the listener; lives as long as the pull."""

    def __init__(
        self,
        model: str,
        total_bytes: int | None,
        listener: Callable[[PullProgress], None] | None,
    ) -> None:
        self._model = model
        self._total_bytes = total_bytes
        self._listener = listener
        self._done_bytes = 0

    def add(self, file: str, n_bytes: int) -> None:
        """Count *n_bytes* more of *file*; negative where bytes turn out to be useless."""
        self._done_bytes += n_bytes
        if self._listener:
            self._listener(
                PullProgress(
                    model=self._model,
                    file=file,
                    done_bytes=self._done_bytes,
                    total_bytes=self._total_bytes,
                )
            )

"""The driver as all other modules see it: a protocol, and the monitor of a machine without GPUs."""

from typing import Final, Protocol

from speechhub.gpu.traces import Trace
from speechhub.gpu.values import GpuDevice, GpuSample


class GpuMonitor(Protocol):
    """Asks the driver; lives as long as the server.

    Every method may block for milliseconds (a sick driver: for seconds), so never call one on the event loop.
    All may be called from any thread, at any time, also after `close`. None of them raises: a GPU that
    cannot be asked is an answer.
    """

    @property
    def problem(self) -> str | None:
        """Return why the driver gave no answer the last time it was asked; None if it did. Never blocks."""
        ...

    def devices(self) -> tuple[GpuDevice, ...]:
        """Return all GPUs; empty if there are none or the driver does not answer."""
        ...

    def sample(self, index: int) -> GpuSample | None:
        """Look at one GPU; None if it does not answer, which proves nothing about its memory.

        The next call tries again: drivers are restarted, and cards come back.
        """
        ...

    def close(self) -> None:
        """Let the driver go; calls afterwards answer as on a machine without GPUs."""
        ...


class NoGpus:
    """The monitor of a machine that has no GPU, or is not to use it."""

    NONE: Final = "There is no GPU here."

    def __init__(self, problem: str = NONE, *, hint: Trace | None = None) -> None:
        """Remember why there is none, and what hints at one all the same."""
        self.problem: str | None = problem
        self.hint = hint

    def devices(self) -> tuple[GpuDevice, ...]:
        """Return nothing."""
        return ()

    def sample(self, index: int) -> GpuSample | None:  # noqa: ARG002  # the protocol's
        """Return None."""
        return None

    def close(self) -> None:
        """Do nothing."""

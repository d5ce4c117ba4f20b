"""The interface to the GPU driver: a protocol, and the monitor of a machine without GPUs."""

from typing import Final, Protocol

from speechhub.gpu.traces import Trace
from speechhub.gpu.values import GpuDevice, GpuSample


class GpuMonitor(Protocol):
    """Queries the driver; lives as long as the server.

    Every method may block for milliseconds (for seconds if the driver is faulty), so never call one on the
    event loop. All may be called from any thread, at any time, even after `close`. None of them raises: a GPU
    that does not answer is reported as None or left out.
    """

    @property
    def problem(self) -> str | None:
        """Return why the driver did not answer the last query; None if it did. Never blocks."""
        ...

    def devices(self) -> tuple[GpuDevice, ...]:
        """Return all GPUs; empty if there are none or the driver does not answer."""
        ...

    def sample(self, index: int) -> GpuSample | None:
        """Sample one GPU; None if it does not answer, which says nothing about its memory.

        The next call tries again: drivers are restarted, and cards come back.
        """
        ...

    def close(self) -> None:
        """Release the driver; later calls answer as on a machine without GPUs."""
        ...


class NoGpus:
    """The monitor of a machine that has no GPU, or should not use it."""

    NONE: Final = "There is no GPU here."

    def __init__(self, problem: str = NONE, *, hint: Trace | None = None) -> None:
        """Store why there is no GPU, and any hint that there is one after all."""
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

"""A GPU, and its state at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDevice:
    """A GPU as its driver describes it."""

    index: int
    """N of ``cuda:N``: its position among those that CUDA shows, in PCI bus order; see `visible`."""
    uuid: str
    name: str
    driver: str
    """Version of the driver, such as ``550.54.15``."""
    cuda: str
    """Newest CUDA version that the driver can run, such as ``12.4``."""
    compute_capability: str
    """Such as ``8.6``; empty if the driver does not say."""
    total_bytes: int
    """0 if the driver does not say."""
    driver_index: int = 0
    """Its position in the driver's own list, as in nvidia-smi; for a slice, that of the whole GPU."""
    is_slice: bool = False
    """Whether it is a slice of a GPU (MIG)."""

    @property
    def cuda_name(self) -> str:
        """Return its name for engines and settings: ``cuda:0``, ``cuda:1`` …."""
        return f"cuda:{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """State of a GPU at one moment; None stands for values that the driver does not report."""

    used_bytes: int
    """Includes the driver's own memory."""
    free_bytes: int
    total_bytes: int
    utilisation: float | None = None
    """Share of the last sampling period in which the GPU was busy, from 0 to 1."""
    temperature_c: int | None = None
    power_w: float | None = None
    processes: Mapping[int, int | None] | None = None
    """Process id → bytes of memory, for compute and graphics together. The bytes are None if the driver does
    not report them (WSL, Windows); ids are those of the host, even in a container."""

    @property
    def used_share(self) -> float:
        """Return the share of memory in use, from 0 to 1."""
        return self.used_bytes / self.total_bytes if self.total_bytes else 0.0

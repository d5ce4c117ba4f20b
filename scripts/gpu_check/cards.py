"""The card that is checked: a real one through NVML, or a folder that stands for one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from speechhub.gpu.nvml import NvmlMonitor
from speechhub.gpu.values import GpuDevice, GpuSample

PRETENDED_BYTES: Final = 12_000_000_000
"""How much memory the pretended card has."""
BASE_BYTES: Final = 200_000_000
"""What a desktop is pretended to hold of it."""
DRIVER: Final = "driver"
"""Name of a file in the folder, with what the desktop holds."""


class Card(Protocol):
    """What a check asks of a card."""

    environment: Mapping[str, str]
    """What a worker must have in its environment to use it."""

    def device(self) -> GpuDevice | None:
        """Describe it; None if the driver does not answer."""
        ...

    def sample(self, index: int = 0) -> GpuSample | None:
        """Look at it; None if the driver does not answer."""
        ...


class RealCard:
    """One of NVML's."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._monitor = NvmlMonitor()
        self.environment: Mapping[str, str] = {}

    @property
    def problem(self) -> str | None:
        """Why the driver does not answer."""
        return self._monitor.problem

    def device(self) -> GpuDevice | None:
        """Describe it."""
        return next((it for it in self._monitor.devices() if it.index == self._index), None)

    def sample(self, index: int | None = None) -> GpuSample | None:
        """Look at it."""
        return self._monitor.sample(self._index if index is None else index)


class PretendedCard:
    """A folder in which each process that uses the card has a file with its bytes; see `pretended`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir(parents=True)
        (folder / "total").write_text(str(PRETENDED_BYTES - BASE_BYTES))
        self._folder = folder
        self.environment: Mapping[str, str] = {"PRETENDED_CARD": str(folder)}

    def device(self) -> GpuDevice:
        """Describe it."""
        return GpuDevice(
            index=0,
            uuid="GPU-00000000-0000-0000-0000-000000000000",
            name="pretended",
            driver="none",
            cuda="none",
            compute_capability="8.0",
            total_bytes=PRETENDED_BYTES,
        )

    def sample(self, index: int = 0) -> GpuSample:
        """Look at it: a process that has ended holds nothing any more."""
        assert index == 0, "there is one"  # of this program's own
        processes: dict[int, int | None] = {}
        for file in self._folder.iterdir():
            if file.name.isdigit() and Path("/proc", file.name, "exe").exists():
                processes[int(file.name)] = int(file.read_text() or 0)
        used = BASE_BYTES + sum(size or 0 for size in processes.values())
        return GpuSample(
            used_bytes=used,
            free_bytes=max(PRETENDED_BYTES - used, 0),
            total_bytes=PRETENDED_BYTES,
            processes=processes,
        )

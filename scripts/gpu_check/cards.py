"""The card that is checked: a real one through NVML, or a folder that stands for one."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from speechhub.gpu.nvml import nvml_monitor
from speechhub.gpu.traces import trace
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

    def sample(self) -> GpuSample | None:
        """Look at it; None if the driver does not answer."""
        ...


class RealCard:
    """One of those that the driver has and CUDA shows, as the hub sees them."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._monitor = nvml_monitor()
        self._devices = self._monitor.devices()
        self.environment: Mapping[str, str] = {}

    @property
    def problem(self) -> str:
        """Why it cannot be checked, and what to do next."""
        if there := ", ".join(f"{it.name} (--device cuda:{it.index})" for it in self._devices):
            return f"The driver shows {there}."
        if self._monitor.problem is None:
            return "CUDA_VISIBLE_DEVICES hides all GPUs, or none of them can be used as a whole."
        if hint := trace():
            return f"{hint.text} ({self._monitor.problem})"
        return (
            f"{self._monitor.problem} nvidia-smi fails, too, where the driver is missing, or a container was "
            "not given the GPU; if it shows the card, the Python of this program lacks nvidia-ml-py, which "
            f"scripts/serve installs: {sys.executable}"
        )

    def device(self) -> GpuDevice | None:
        """Describe it."""
        return next((it for it in self._devices if it.index == self._index), None)

    def sample(self) -> GpuSample | None:
        """Look at it."""
        return self._monitor.sample(self._index)


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

    def sample(self) -> GpuSample:
        """Look at it: a process that has ended holds nothing any more."""
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

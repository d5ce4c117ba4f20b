"""NVIDIA's driver on this machine, asked for what a choice of PyTorch's build needs.

Its library (NVML) decides, as it does for the placement of models, so that a card which one of them sees is
never missing to the other. The kernel's own page in ``/proc`` is also there in containers that may use no
GPU, and is not there on WSL2; it counts only where the library does not answer and a device is there.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from speechhub.environments.builds import Capability, CudaCard, Driver
from speechhub.gpu.nvml import nvml_monitor
from speechhub.gpu.values import GpuDevice

VERSION_FILE: Final = Path("/proc/driver/nvidia/version")
NODES: Final = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""Signs that this system is meant to have the GPU: NVIDIA's device on Linux, and Windows' on WSL2."""


_OLDEST: Final = {"12.": "525", "13.": "580"}
"""CUDA version that a driver runs → the oldest driver that does, where it does not report its own version.
Source: NVIDIA, "CUDA Compatibility"."""


class Asked(Protocol):
    """The part of `GpuMonitor` that is needed here."""

    def devices(self) -> Sequence[GpuDevice]:
        """Return all GPUs that the driver lists."""
        ...

    def close(self) -> None:
        """Release the driver."""
        ...


def read_driver(
    *,
    monitor: Callable[[], Asked] = nvml_monitor,
    version_file: Path = VERSION_FILE,
    nodes: Sequence[Path] = NODES,
) -> Driver | None:
    """Return the driver and its cards; None if no GPU can be reached.

    Where the driver's library does not answer although there is a GPU, as between an upgrade of the driver
    and the next start of the machine, the kernel tells the version, and no cards are named.

    Args:
        monitor: Makes what asks the driver's library.
        version_file: The kernel's page about the driver.
        nodes: Devices of which one must be there for that page to count.
    """
    asked = monitor()
    try:
        devices = asked.devices()
    finally:
        asked.close()
    if devices:
        cards = tuple(
            CudaCard(name=device.name, capability=_capability(device.compute_capability))
            for device in devices
        )
        version = devices[0].driver or _version_of(version_file) or _OLDEST.get(devices[0].cuda[:3], "")
        return Driver(version=version, cards=cards)
    if not any(node.exists() for node in nodes):
        return None
    version = _version_of(version_file)
    return Driver(version=version, cards=()) if version else None


def _version_of(file: Path) -> str:
    """Return the version on the kernel's page; empty if there is none."""
    try:
        found = re.search(r"\b\d{3,}\.\d[\d.]*", file.read_text("utf-8", "replace"))
    except OSError:
        return ""
    return found[0] if found else ""


def _capability(text: str) -> Capability | None:
    found = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None

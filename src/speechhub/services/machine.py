"""The machine: the facts that decide what can be served from it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from speechhub.environments.builds import CudaCard, Driver
from speechhub.environments.find import discover_all
from speechhub.environments.folders import home_of
from speechhub.environments.record import read_record
from speechhub.gpu.monitor import GpuMonitor
from speechhub.gpu.values import GpuDevice
from speechhub.settings import Settings

EXAMPLE: Final = GpuDevice(
    index=0,
    uuid="",
    name="NVIDIA GeForce GTX 1650",
    driver="580",
    cuda="",
    compute_capability="7.5",
    total_bytes=4 * 1024**3,
)
"""The smallest card that everything fits on; without a GPU, setup shows the plan for this card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The facts that decide the plan of `services.setup`."""

    card: GpuDevice | None
    """The GPU that engines use first."""
    larger_card: GpuDevice | None = None
    """Another GPU, with more memory than the first."""
    driver: Driver | None
    problem: str = ""
    """Why there is no card; empty if there is one."""
    host_memory_bytes: int
    """Memory that the host has to spare."""
    free_bytes: int
    """Disk that is free where `home` is, or would be."""
    builds: Mapping[str, str | None]
    """Engine that is installed → build of PyTorch in its environment; None if it has none of its own."""


def as_with_a_gpu(machine: Machine) -> Machine:
    """Return *machine* as if it had the smallest GPU that everything fits on."""
    return replace(
        machine,
        card=EXAMPLE,
        larger_card=None,
        driver=Driver(version=EXAMPLE.driver, cards=(CudaCard(name=EXAMPLE.name, capability=(7, 5)),)),
        problem="",
    )


def look(
    settings: Settings, *, monitor: GpuMonitor, driver: Driver | None, host_memory_bytes: int
) -> Machine:
    """Collect the facts that decide over the plan; blocks.

    Args:
        settings: Say where things are put.
        monitor: Asks the driver.
        driver: What it said of itself.
        host_memory_bytes: Memory that the machine has to spare.
    """
    devices = monitor.devices()
    problem = "" if devices else monitor.problem or "The driver reports no GPU."
    builds: dict[str, str | None] = {}
    for engine in discover_all(settings.engines_dir).engines:
        record = (
            read_record(home_of(settings.engines_dir, engine.environment).path)
            if engine.environment
            else None
        )
        builds[engine.spec.name] = record.build if record else None
    return Machine(
        card=devices[0] if devices else None,
        larger_card=_larger(devices),
        driver=driver,
        problem=problem,
        host_memory_bytes=host_memory_bytes,
        free_bytes=shutil.disk_usage(_existing(settings.home)).free,
        builds=builds,
    )


def _larger(devices: Sequence[GpuDevice]) -> GpuDevice | None:
    """Return the GPU with most memory, unless it is the first; None if no other has more."""
    most = max(devices, key=lambda device: device.total_bytes, default=None)  # the first of those alike
    return None if most is None or most == devices[0] else most


def _existing(folder: Path) -> Path:
    """Return *folder*, or the nearest of its parents that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())

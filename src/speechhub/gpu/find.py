"""Discovery of this process's GPUs, from the answers of the driver's library."""

from pathlib import Path

from speechhub.gpu.monitor import GpuMonitor, NoGpus
from speechhub.gpu.nvml import DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, nvml_monitor
from speechhub.gpu.traces import Trace, trace
from speechhub.gpu.values import GpuDevice


def find_gpus(root: Path = Path("/")) -> tuple[GpuMonitor, tuple[GpuDevice, ...]]:
    """Return the monitor of the GPUs, and the GPUs that CUDA shows to engines.

    Args:
        root: Root of the system's files, which may hint at a GPU whose driver does not answer.
    """
    monitor = nvml_monitor()
    if gpus := monitor.devices():
        return monitor, gpus
    problem = monitor.problem
    monitor.close()
    if problem is None:
        return NoGpus("CUDA_VISIBLE_DEVICES hides all GPUs, or none of them can be used as a whole."), ()
    if hint := trace(root):
        return NoGpus(f"{hint.text} ({problem})", hint=hint), ()
    if monitor.failure == LIBRARY_NOT_FOUND:
        return NoGpus(), ()
    # Without the kernel's module there may be no GPU at all: the library comes with many packages and images.
    return NoGpus(problem, hint=Trace(text=problem, broken=monitor.failure != DRIVER_NOT_LOADED)), ()

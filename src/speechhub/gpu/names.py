"""Which GPUs this machine has."""

from pathlib import Path

from speechhub.gpu.nvml import NvmlMonitor

_DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
_WSL_DEVICE = Path("/dev/dxg")


def gpu_names(folder: Path = _DRIVER_FOLDER, wsl_device: Path = _WSL_DEVICE) -> tuple[str, ...]:
    """Return ``cuda:0``, ``cuda:1`` … for every GPU that the NVIDIA driver knows; empty without a driver."""
    try:
        count = sum(1 for _ in folder.iterdir())
    except OSError:
        count = _count_by_nvml() if wsl_device.exists() else 0  # WSL has the driver, but not its folder
    return tuple(f"cuda:{index}" for index in range(count))


def _count_by_nvml() -> int:
    monitor = NvmlMonitor()
    try:
        return len(monitor.devices())
    finally:
        monitor.close()

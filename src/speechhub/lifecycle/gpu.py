"""Which GPUs this machine has. The monitor of the design (NVML) takes its place here."""

from pathlib import Path

_DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")


def gpu_names(folder: Path = _DRIVER_FOLDER) -> tuple[str, ...]:
    """Return ``cuda:0``, ``cuda:1`` … for every GPU that the NVIDIA driver knows; empty without a driver."""
    try:
        count = sum(1 for _ in folder.iterdir())
    except OSError:
        return ()
    return tuple(f"cuda:{index}" for index in range(count))

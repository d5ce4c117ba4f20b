"""Traces of a GPU in the system when its driver does not answer; for messages, never for decisions."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A sign of a GPU that cannot be used."""

    text: str
    """What was found, and what to do about it."""
    broken: bool
    """Whether this system should be able to use the GPU, because it was given the device."""


def trace(root: Path = Path("/")) -> Trace | None:
    """Return a hint that there is a GPU although its driver's library finds none; None if there is no hint.

    Args:
        root: Root of the system's files.
    """
    if (root / "dev/dxg").exists():
        return Trace(
            text="WSL2 has a GPU (/dev/dxg), but the driver's library does not answer: update the NVIDIA "
            "driver of Windows, and check that /usr/lib/wsl/lib exists; install no driver inside WSL2.",
            broken=True,
        )
    if (root / "dev/nvidiactl").exists():
        return Trace(
            text="/dev/nvidiactl is there, but the driver's library does not answer: see what nvidia-smi "
            "says. On a host, install the driver again or restart the machine; restart a container.",
            broken=True,
        )
    if _has_entries(root / "proc/driver/nvidia/gpus"):
        return Trace(
            text="The host has an NVIDIA GPU, but this system has no access to it (there is no "
            "/dev/nvidiactl). To use it from a container, start the container with --gpus all (Docker) or "
            "--device nvidia.com/gpu=all (Podman).",
            broken=False,
        )
    return None


def _has_entries(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False

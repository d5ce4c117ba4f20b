"""Defaults for a device: dtype and attention, where `fit` has not decided them.

That is the CPU, and a GPU that has the aligner of a model on the CPU.
"""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch

from speechhub.engine import DeviceMemory, arithmetic_of

_CPU_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16"})


def choose_dtype(wanted: str, device: str) -> torch.dtype:
    """Return the dtype for *device*; ``auto`` is 16 bits where they are fast."""
    if wanted != "auto":
        chosen = getattr(torch, wanted)
        assert isinstance(chosen, torch.dtype)  # noqa: S101  # the settings know no others
        return chosen
    if device.startswith("cuda"):
        half = arithmetic_of(torch.cuda.get_device_capability(device)).half
        return torch.bfloat16 if half == "bfloat16" else torch.float16
    return torch.bfloat16 if _cpu_flags() & _CPU_FLAGS else torch.float32


def choose_attention(wanted: str, device: str, dtype: torch.dtype) -> str:
    """Return the implementation of attention; flash attention needs a GPU, 16 bits and its package."""
    if wanted != "auto":
        return wanted
    can = (
        device.startswith("cuda")
        and dtype is not torch.float32
        and importlib.util.find_spec("flash_attn") is not None
        and arithmetic_of(torch.cuda.get_device_capability(device)).flash_attention
    )
    return "flash_attention_2" if can else "sdpa"


def held_memory(devices: Iterable[str]) -> DeviceMemory | None:
    """Return what PyTorch holds on the GPUs among *devices*; None if there are none."""
    gpus = sorted({device for device in devices if device.startswith("cuda")})
    if not gpus:
        return None
    return DeviceMemory(
        allocated_bytes=sum(torch.cuda.memory_allocated(gpu) for gpu in gpus),
        reserved_bytes=sum(torch.cuda.memory_reserved(gpu) for gpu in gpus),
    )


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())

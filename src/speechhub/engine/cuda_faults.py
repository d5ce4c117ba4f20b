"""CUDA's error messages, put into words that an operator can act on: what is wrong, and what to do next.

For engines on PyTorch, while they load. Standard library only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from speechhub.errors import EngineDeviceError, EngineError, EngineOutOfMemoryError


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFault:
    """One kind of failure."""

    said: tuple[str, ...]
    """Regular expressions for the messages of CUDA, PyTorch or the system's loader."""
    cause: str
    """A sentence; ``{card}``, ``{device}`` and ``{library}`` are filled in."""
    advice: str
    """What to do; ``{engine}``, ``{install}`` and ``{device}`` are filled in."""
    memory: bool = False
    """Whether memory is lacking, rather than the means to compute."""


_CUDA_LIBRARY: Final = (
    r"(?P<library>lib(?:cu(?:blas|dnn|dart|fft|rand|sparse|solver|pti)|nvrtc|nvJitLink)\S*?)"
)
CUDA_FAULTS: Final = (
    CudaFault(
        said=(
            "CUDA out of memory",
            "CUDA error: out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED",
        ),
        cause="too little memory is free on {device}",
        advice="the command nvidia-smi shows which programs hold it: end them, or choose a smaller model, or "
        'the CPU: [engines.{engine}] device = "cpu"',
        memory=True,
    ),
    CudaFault(
        said=("no kernel image is available", "cudaErrorNoKernelImageForDevice"),
        cause="this build of PyTorch has no code for {card}",
        advice="install one that has: {install}",
    ),
    CudaFault(
        said=(
            "driver version is insufficient",
            "driver on your system is too old",
            "compiled with an unsupported toolchain",
        ),
        cause="NVIDIA's driver is too old for this build of PyTorch",
        advice="upgrade the driver, or install a build that runs on it, which this chooses: "
        "speechhub engines install {engine}",
    ),
    CudaFault(
        said=("Torch not compiled with CUDA enabled",),
        cause="this is PyTorch's build for the CPU, which cannot use {device}",
        advice="install the one for your GPU: speechhub engines install {engine}",
    ),
    CudaFault(
        said=(
            "Found no NVIDIA driver",
            "no CUDA-capable device is detected",
            "No CUDA GPUs are available",
        ),
        cause="no NVIDIA GPU can be reached from here",
        advice="run nvidia-smi: if it fails too, install the driver, or start the container with --gpus all",
    ),
    CudaFault(
        said=(
            "CUBLAS_STATUS_NOT_SUPPORTED",
            "CUBLAS_STATUS_ARCH_MISMATCH",
            "CUDNN_STATUS_NOT_SUPPORTED",
            "CUDNN_STATUS_ARCH_MISMATCH",
        ),
        cause="{card} cannot compute in the arithmetic that was chosen",
        advice='set [engines.{engine}] dtype = "float32", and install the build that fits: '
        "speechhub engines install {engine}",
    ),
    CudaFault(
        said=(
            _CUDA_LIBRARY + ": cannot open shared object file",
            _CUDA_LIBRARY + " is not found",
            _CUDA_LIBRARY + " cannot be loaded",
        ),
        cause="the environment lacks {library}, a CUDA library",
        advice="install the engine again: speechhub engines install {engine}",
    ),
)
"""The first that matches counts. Sources: cudaGetErrorString and cublasStatus_t in NVIDIA's references; c10
and torch/cuda/__init__.py in PyTorch; dlopen(3)."""

OLDEST_OF_CUDA_13: Final = (7, 5)
"""Builds for CUDA 13 have no code for older cards. docs/cuda.md has the table."""


def explain_cuda(
    error: BaseException,
    *,
    engine: str,
    device: str,
    card: str = "",
    capability: tuple[int, int] | None = None,
) -> EngineError | None:
    """Return what to raise in place of *error*, if it or one of its causes is a CUDA error.

    Args:
        error: What a library raised.
        engine: Name of the engine, by which operators install it and set its options.
        device: Such as ``cuda:0``.
        card: The GPU's name, if it is known.
        capability: Its compute capability, if it is known.

    Returns:
        An `EngineOutOfMemoryError` or an `EngineDeviceError` with cause and next step; None if it is neither.
    """
    for one in _chain(error):
        text = f"{type(one).__name__}: {one}"
        for fault in CUDA_FAULTS:
            if found := next(filter(None, (re.search(said, text) for said in fault.said)), None):
                shown = card or "this GPU"
                if capability:
                    shown += " (compute capability {}.{})".format(*capability)
                words = {
                    "card": shown,
                    "device": device,
                    "engine": engine,
                    "install": _command(engine, capability),
                    "library": found.groupdict().get("library") or "",
                }
                cause, advice = (template.format(**words) for template in (fault.cause, fault.advice))
                message = f"{_capital(cause)}. {_capital(advice)}."
                kind = EngineOutOfMemoryError if fault.memory else EngineDeviceError
                return kind(f"{message} ({_first_line(text)})")
    return None


def _command(engine: str, capability: tuple[int, int] | None) -> str:
    command = f"speechhub engines install {engine}"
    if capability is None:
        return command
    return f"{command} --build {'cu130' if tuple(capability) >= OLDEST_OF_CUDA_13 else 'cu126'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__

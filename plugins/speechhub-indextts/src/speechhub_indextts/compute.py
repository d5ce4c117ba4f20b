"""The devices that this environment's PyTorch can use; the hub asks before it places models."""

from typing import Final

import torch

from speechhub.engine import Compute

INSTALL: Final = "speechhub engines install indextts"
"""Installs the build of PyTorch that suits the current driver and GPU."""


def compute() -> Compute:
    """Return what this environment can compute on; see `EngineSpec.compute`."""
    if torch.version.cuda is None:
        return _cannot(f"Its PyTorch, {torch.__version__}, is a build without CUDA.")
    try:
        available = torch.cuda.is_available()
        if available:
            torch.cuda.init()
    except RuntimeError as error:
        return _cannot(f"Its PyTorch, {torch.__version__}, cannot use the GPU: {error}.", may_pass=True)
    if not available:
        return _cannot(
            f"Its PyTorch, {torch.__version__}, finds no GPU that it can use: the NVIDIA driver may be too "
            f"old for CUDA {torch.version.cuda}.",
            may_pass=True,
        )
    return Compute(kinds=("cuda", "cpu"), architectures=tuple(torch.cuda.get_arch_list()), fix=INSTALL)


def _cannot(problem: str, *, may_pass: bool = False) -> Compute:
    return Compute(kinds=("cpu",), problem=problem, fix=INSTALL, may_pass=may_pass)

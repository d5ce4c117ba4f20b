"""Arithmetic that suits an NVIDIA GPU, by its compute capability: one table for all engines on PyTorch.

PyTorch's own answer does not help: ``torch.cuda.is_bf16_supported()`` is true for every card, because cards
without bfloat16 emulate it, slowly. Standard library only.

Sources: NVIDIA, CUDA C++ Programming Guide, "Arithmetic Instructions" (operations per clock, by capability);
Dao-AILab/flash-attention, README (Ampere and newer); vllm-project/vllm, issue 54950 (batches in float16 on a
GTX 1650).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaArithmetic:
    """What suits the cards from one compute capability up to the next row's."""

    oldest: tuple[int, int]
    """The lowest compute capability of these cards."""
    generations: str
    """Their names, for people."""
    half: str
    """Arithmetic of 16 bits, as PyTorch names it: ``bfloat16`` or ``float16``."""
    prefers_float32: bool = False
    """Whether float32 is faster than 16 bits, which then serve only for what does not fit otherwise."""
    batches: bool = False
    """Whether a batch is faster in 16 bits than its inputs one after the other."""
    flash_attention: bool = False
    """Whether the package flash-attn runs there."""


CUDA_ARITHMETIC: Final = (
    CudaArithmetic(
        oldest=(8, 0),
        generations="Ampere, Ada, Hopper, Blackwell",
        half="bfloat16",
        batches=True,
        flash_attention=True,
    ),
    CudaArithmetic(oldest=(7, 0), generations="Volta, Turing", half="float16"),
    CudaArithmetic(oldest=(6, 1), generations="Pascal (GTX 10, P40)", half="float16", prefers_float32=True),
    CudaArithmetic(oldest=(6, 0), generations="Pascal (P100)", half="float16"),
    CudaArithmetic(oldest=(0, 0), generations="Maxwell", half="float16", prefers_float32=True),
)
"""The newest cards first. bfloat16 has float32's range, which float16 lacks: values beyond 65504 become
infinite there, and then NaN."""


def arithmetic_of(capability: tuple[int, int]) -> CudaArithmetic:
    """Return what suits a card, by its compute capability, such as (8, 6)."""
    return next(row for row in CUDA_ARITHMETIC if tuple(capability) >= row.oldest)

"""The best way to compute on a GPU: dtype, attention, clips at once, the place of the aligner. Pure.

For lack of memory, the cheapest measure comes first: the aligner on the CPU, then fewer clips at once.
"""

from dataclasses import dataclass
from typing import Final

from speechhub.engine import arithmetic_of

MAX_CLIPS: Final = 4
"""Most clips that the hub sends at once: `SttCapabilities.max_batch`."""
CLIP_BYTES: Final = 165_000_000
"""Memory of a clip of 30 s in 16 bits, beside the weights: 850 tokens of keys and values, 112 KiB each, and
its activations. Computed in docs/engines/qwen3-asr.md."""
MARGIN_BYTES: Final = 100_000_000
"""Memory left for what CUDA's libraries load later, and for what the allocator wastes."""
_WIDE: Final = 2
"""Factor by which float32 takes more memory than 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The GPU that an engine is loaded on."""

    name: str
    capability: tuple[int, int]
    free_bytes: int
    """Free memory once CUDA's context exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suited:
    """How to compute."""

    dtype: str
    """``float32``, ``bfloat16`` or ``float16``."""
    attention: str
    """As transformers names it."""
    clips: int
    """How many clips are decoded together."""
    aligner_on_gpu: bool
    needed_bytes: int
    """Most memory that it needs, without CUDA itself."""
    reasons: tuple[str, ...] = ()
    """What was given up for lack of memory, and what the card requires; for operators."""


def suit_gpu(
    gpu: Gpu,
    *,
    weights_bytes: int,
    aligner_bytes: int,
    dtype: str = "auto",
    attention: str = "auto",
    aligner_device: str = "auto",
    has_flash: bool = False,
    float32: bool = False,
) -> Suited:
    """Return how to compute on a GPU.

    If nothing fits, the smallest way is returned all the same: its memory is an estimate, and only loading
    shows whether it suffices.

    Args:
        gpu: The GPU.
        weights_bytes: Size of the model in 16 bits.
        aligner_bytes: The same for the aligner; 0 without one.
        dtype: The operator's wish; ``auto`` goes by the card.
        attention: The operator's wish; ``auto`` is flash attention where it runs.
        aligner_device: The operator's wish; ``auto`` is the GPU if there is room.
        has_flash: Whether the package flash-attn is installed.
        float32: Whether 16 bits are known to fail on this card.
    """
    row = arithmetic_of(gpu.capability)
    reasons = []
    room = gpu.free_bytes - MARGIN_BYTES
    if dtype == "auto":
        dtype = "float32" if float32 else row.half
        if float32:
            reasons.append(f"16 bits went wrong on {gpu.name}: float32")
        elif row.prefers_float32:
            if _WIDE * (weights_bytes + CLIP_BYTES) <= room:
                dtype = "float32"
                reasons.append(f"16 bits are slow on {gpu.name}: float32")
            else:
                reasons.append(f"16 bits are slow on {gpu.name}, but float32 does not fit")
    width = _WIDE if dtype == "float32" else 1
    clips = MAX_CLIPS
    if dtype == "float16" and not row.batches:
        clips = 1
        reasons.append("one clip at a time, since batches in float16 are slow on this card")
    weights, aligner, clip = (width * size for size in (weights_bytes, aligner_bytes, CLIP_BYTES))
    there = bool(aligner) and aligner_device != "cpu"
    if there and aligner_device == "auto" and weights + aligner + clips * clip > room:
        there = False
        reasons.append("the aligner goes to the CPU, for lack of memory")
    resident = weights + (aligner if there else 0)
    fitting = max(1, min(clips, (room - resident) // clip))
    if fitting < clips:
        reasons.append(f"{fitting} of {clips} clips at a time, for lack of memory")
    if attention == "auto":
        flash = row.flash_attention and has_flash and dtype != "float32"
        attention = "flash_attention_2" if flash else "sdpa"
    return Suited(
        dtype=dtype,
        attention=attention,
        clips=fitting,
        aligner_on_gpu=there,
        needed_bytes=resident + fitting * clip,
        reasons=tuple(reasons),
    )

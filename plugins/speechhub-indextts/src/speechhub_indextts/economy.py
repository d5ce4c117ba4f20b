"""Economy of memory: what speaking takes beside the weights, and what can be given up. Pure.

benchmarks/indextts_memory.py computes the figures, and prints them beside these sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

HALF_BYTES: Final = 2
FLOAT32_BYTES: Final = 4
WASTE: Final = 1.18
"""Factor by which CUDA's allocator takes more than requested, including cuDNN's workspace. An assumption."""
PREFIX_TOKENS: Final = 34 + 122
"""Positions of the GPT before the first code: voice, emotion and text."""
CACHE_BYTES: Final = 24 * 2 * 1280
"""Numbers that the GPT keeps per position and beam: keys and values of 24 layers."""
VOCODER_S_BYTES: Final = 21_200_000
"""Memory of the vocoder per second of speech, in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Figures that differ between the generations."""

    codes_per_s: int
    """Codes of the GPT per second of speech."""
    flow_bytes: int
    """Memory of the acoustic model for a reference of 15 s, before any speech."""
    flow_s_bytes: int
    """Memory that each second of speech adds."""
    segment_tokens: int
    """Tokens of a segment that lasts up to 30 s."""


PACES: Final = {
    "2": Pace(codes_per_s=50, flow_bytes=240_000_000, flow_s_bytes=8_780_000, segment_tokens=120),
    "2.5": Pace(codes_per_s=25, flow_bytes=122_000_000, flow_s_bytes=8_270_000, segment_tokens=60),
}
LONGEST_S: Final = 30.0
"""Longest segment by default, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How a text is spoken, as far as memory depends on it."""

    segment_s: float = LONGEST_S
    """Longest segment, in seconds."""
    beams: int = 3
    """Candidates that the beam search keeps."""
    vocoder_half: bool = False
    """Whether the vocoder computes in 16 bits."""


STEPS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("segments of 15 s", {"segment_s": 15.0}),
    ("one beam", {"beams": 1}),
    ("vocoder in half precision", {"vocoder_half": True}),
    ("segments of 8 s", {"segment_s": 8.0}),
)
"""What is given up, the smallest loss first: shorter segments cost some fluency, fewer beams some
reliability, half precision in the vocoder some clarity. A step that saves nothing is left out."""


def at_work_bytes(pace: Pace, effort: Effort, *, half: bool) -> int:
    """Return the memory that the largest of the three working models takes beside its weights.

    They run one after the other: the GPT, the acoustic model, the vocoder.

    Args:
        pace: Of the generation.
        effort: How the text is spoken.
        half: Whether the GPT is in half precision.
    """
    width = HALF_BYTES if half else FLOAT32_BYTES
    positions = PREFIX_TOKENS + effort.segment_s * pace.codes_per_s
    cache = CACHE_BYTES * positions * effort.beams * width
    gpt = cache * 25 / 24  # one more layer, while its keys are reordered
    flow = pace.flow_bytes + pace.flow_s_bytes * effort.segment_s
    vocoder = VOCODER_S_BYTES * effort.segment_s / (2 if effort.vocoder_half else 1)
    return int(WASTE * max(gpt, flow, vocoder))

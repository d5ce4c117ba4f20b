"""Preparation: models in the host's memory while another engine uses the device.

The packages build them on the CPU, as they do where a card is small; nothing queries the device before
`load`, because that would create a CUDA context. So the models wait in 32 bits, and `load` converts what is
to be in half precision on the card.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from speechhub.engine import Held, LoadContext, may_hold, stamp_of
from speechhub_indextts.checkpoint import read_checkpoint
from speechhub_indextts.economy import FLOAT32_BYTES
from speechhub_indextts.generation import SpeechModel
from speechhub_indextts.model import load_generation, measure, set_threads
from speechhub_indextts.placement import Placement, Sizes
from speechhub_indextts.settings import IndexTtsSettings

WAITING: Final = Placement(device="cpu", half=False, analysis="device", feeling_device="cpu")
PREFIX: Final = "speechhub-indextts-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The prepared models."""

    generation: SpeechModel
    """On the CPU, and without a folder, which a worker on standby would leave behind when it is ended."""
    sizes: Sizes


def prepare_generation(
    context: LoadContext, settings: IndexTtsSettings, normalizers: dict[str, Any], held: Held[Ready]
) -> None:
    """Build all models on the CPU, if there is room for them.

    Args:
        context: Of `prepare`.
        settings: The operator's options.
        normalizers: From `prepare_grammars`.
        held: Where the models are kept for `load`.

    Raises:
        EngineLoadError: A file is damaged, or missing.
    """
    if context.model_dir is None or not context.host_memory_bytes:
        return
    stamp = stamp_of(context)
    checkpoint = read_checkpoint(context.model_dir, context.model)
    sizes = measure(checkpoint, context)
    if not may_hold(context, needed_bytes(sizes)):
        return
    set_threads(context.threads)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        generation = load_generation(checkpoint, Path(name), settings, WAITING, normalizers)
    held.keep(stamp, Ready(generation=generation, sizes=sizes))


def needed_bytes(sizes: Sizes) -> int:
    """Return how much host memory the models take, or building them, if that is more.

    The GPT is built first, with its whole file in memory beside it. The emotion model is loaded on first use.
    """
    resting = sizes.gpt + sizes.acoustic + sizes.vocoder + sizes.listener + sizes.speaker
    return FLOAT32_BYTES * max(resting, 2 * sizes.gpt)

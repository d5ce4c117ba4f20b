"""Loading a model from its folder, and placing it on the device."""

import logging
import os
from pathlib import Path
from typing import Any

from speechhub.engine import EngineLoadError, LoadContext
from speechhub_indextts.checkpoint import BIGVGAN, W2V_BERT, Checkpoint, Generation
from speechhub_indextts.generation import SpeechModel
from speechhub_indextts.generation2 import Generation2
from speechhub_indextts.generation25 import Generation25
from speechhub_indextts.gpu import Gpu, meet, wanted_effort
from speechhub_indextts.layout import lay_out
from speechhub_indextts.packages import quiet, torch
from speechhub_indextts.placement import Placement, Sizes, plan
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.sizes import read_json, sizes_of

log = logging.getLogger(__name__)

MAX_THREADS = 8
"""Most CPU threads to use where no number is set."""


def set_threads(threads: int) -> None:
    """Set how many CPU threads PyTorch uses; 0 is all cores, up to a limit."""
    torch.set_num_threads(threads or min(MAX_THREADS, len(os.sched_getaffinity(0))))


def measure(checkpoint: Checkpoint, context: LoadContext) -> Sizes:
    """Return the parameter counts of the checkpoint's models; zeros on a CPU, where no plan needs them.

    Raises:
        EngineLoadError: No models can be made from its config.
    """
    if context.device == "cpu":
        return Sizes(gpt=0, acoustic=0, vocoder=0, listener=0, speaker=0, feeling=0)
    try:
        with quiet():
            return sizes_of(
                checkpoint.generation,
                checkpoint.config,
                bigvgan=read_json(checkpoint.folder / BIGVGAN / "config.json"),
                w2v_bert=read_json(checkpoint.folder / W2V_BERT / "config.json"),
                feeling=checkpoint.emotion_model,
            )
    except Exception as error:  # the packages raise all kinds of errors on a wrong config
        raise _broken(checkpoint, error) from error


def place(
    checkpoint: Checkpoint, context: LoadContext, settings: IndexTtsSettings, sizes: Sizes | None = None
) -> Placement:
    """Return where the checkpoint's models go on the context's device.

    Args:
        checkpoint: The model's files.
        context: Of `load`.
        settings: The operator's options.
        sizes: From `measure`, if it was called before.

    Raises:
        EngineLoadError: They do not fit.
    """
    sizes = sizes or measure(checkpoint, context)
    gpu = Gpu(capability=(0, 0), memory_bytes=0, runtime_bytes=0)
    if context.device != "cpu":
        gpu = meet(context)
    placement = plan(
        sizes,
        device=context.device,
        memory_bytes=gpu.memory_bytes,
        generation=checkpoint.generation.value,
        capability=gpu.capability,
        runtime_bytes=gpu.runtime_bytes,
        effort=wanted_effort(settings, checkpoint.generation.value),
        dtype=settings.dtype,
        analysis=settings.analysis,
        feeling_device=settings.emotion_device,
    )
    log.info(
        "placed: analysis %s, GPT in %s, emotion model on %s, %.2f GB at most",
        placement.analysis,
        placement.half_name if placement.half else "float32",
        placement.feeling_device,
        placement.needed_bytes / 1e9,
    )
    if placement.steps:
        log.warning("too little memory on %s; given up: %s", context.device, ", ".join(placement.steps))
    return placement


def load_generation(
    checkpoint: Checkpoint,
    folder: Path,
    settings: IndexTtsSettings,
    placement: Placement,
    normalizers: dict[str, Any],
) -> SpeechModel:
    """Return the loaded model.

    Args:
        checkpoint: The model's files.
        folder: An empty folder that stays for as long as the model.
        settings: The operator's options.
        placement: From `place`.
        normalizers: From `prepare_grammars`.

    Raises:
        EngineLoadError: A file is damaged, or the device cannot be used.
    """
    view, marks = folder / "model", folder / "marks"
    view.mkdir()
    marks.mkdir()
    lay_out(checkpoint, view)
    try:
        with quiet():
            if checkpoint.generation is Generation.V25:
                return Generation25(view, marks, normalizers, settings, placement)
            return Generation2(view, normalizers, settings, placement)
    except Exception as error:  # transformers, torch and the packages raise all kinds of errors
        raise _broken(checkpoint, error) from error


def _broken(checkpoint: Checkpoint, error: Exception) -> EngineLoadError:
    return EngineLoadError(
        f"IndexTTS-{checkpoint.generation} cannot load {checkpoint.folder.name!r}: "
        f"{type(error).__name__}: {error}"
    )

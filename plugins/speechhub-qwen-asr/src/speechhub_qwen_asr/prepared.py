"""Preparation: weights in the host's memory while another engine uses the device.

Nothing here may query the device, since any query creates a CUDA context, which takes memory there. So the
weights keep the dtype of their files, and `load` converts them after copying them. They lie in ordinary
memory, since pinning it (``pin_memory``, ``cudaHostRegister``) needs a context.
"""

from typing import Any, Final

import torch

from speechhub.engine import Held, LoadContext, Stamp, may_hold, stamp_of
from speechhub_qwen_asr.model import Folders, aligner_folder, read_model, set_threads
from speechhub_qwen_asr.settings import QwenAsrSettings

PAGE: Final = 4096


def prepare_model(context: LoadContext, settings: QwenAsrSettings, held: Held[Any]) -> None:
    """Put the weights into *held*, if there is room for them.

    Raises:
        EngineLoadError: The weights are damaged or incomplete.
    """
    if context.model_dir is None or not context.host_memory_bytes:
        return
    stamp = stamp_of_model(context, settings)
    folders = Folders(context, settings)
    if not may_hold(context, folders.size_bytes * _growth(settings)):
        return
    set_threads(context.threads)
    keywords = {
        "dtype": "auto" if settings.dtype == "auto" else getattr(torch, settings.dtype),
        "use_safetensors": True,
        "attn_implementation": "sdpa" if settings.attention == "auto" else settings.attention,
    }
    asr = read_model(context, folders, keywords, keywords)
    aligner = asr.forced_aligner
    for model in (asr.model, *([aligner.model] if aligner is not None else [])):
        touch(model)
    held.keep(stamp, asr)


def stamp_of_model(context: LoadContext, settings: QwenAsrSettings) -> Stamp:
    """Return a stamp that shows whether the prepared weights still match the files."""
    folder = aligner_folder(context, settings)
    return stamp_of(context, *([folder] if folder else []))


def touch(model: Any) -> None:
    """Read every page of the weights, so that all are in memory and in this process's page tables.

    Weights with the dtype of their file are mapped pages of the file: the first read of each page waits.
    """
    for parameter in model.parameters():
        parameter.detach().flatten().view(torch.uint8)[::PAGE].max()


def _growth(settings: QwenAsrSettings) -> int:
    """Return the factor by which weights, which are published in 16 bits, may grow."""
    return 2 if settings.dtype == "float32" else 1

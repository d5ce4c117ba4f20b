"""Weights in the host's memory, while another engine has the device.

Nothing here may ask the device anything: whatever does makes a CUDA context, which takes memory there. So
the weights wait in the arithmetic of their files, and `load` turns them into that of the device when it has
copied them. They are ordinary memory: to pin it (``pin_memory``, ``cudaHostRegister``) takes a context.
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
        EngineLoadError: They are damaged, or incomplete.
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
    """Return what tells whether weights that wait are still those of the files."""
    folder = aligner_folder(context, settings)
    return stamp_of(context, *([folder] if folder else []))


def touch(model: Any) -> None:
    """Have every page of the weights in memory, and in this process's tables.

    Weights whose arithmetic is that of their file are the file's pages, mapped: the first to read one waits.
    """
    for parameter in model.parameters():
        parameter.detach().flatten().view(torch.uint8)[::PAGE].max()


def _growth(settings: QwenAsrSettings) -> int:
    """Return by how much weights may grow that are published in 16 bits."""
    return 2 if settings.dtype == "float32" else 1

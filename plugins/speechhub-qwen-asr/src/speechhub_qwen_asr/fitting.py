"""Fitting a model to the GPU that is found at load: its kind, its free memory, and its errors."""

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from speechhub.engine import Float32Cards, LoadContext, card_key, explain_cuda
from speechhub_qwen_asr import ALIGNER
from speechhub_qwen_asr.settings import QwenAsrSettings
from speechhub_qwen_asr.suited import MARGIN_BYTES, MAX_CLIPS, Gpu, suit_gpu

log = logging.getLogger(__name__)

NAME: Final = "qwen-asr"
"""Name of the engine in settings and commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How one model is run on one device."""

    settings: QwenAsrSettings
    """The operator's settings, with every ``auto`` decided."""
    clips: int = MAX_CLIPS
    """How many clips are decoded together."""
    reasons: tuple[str, ...] = ()
    """What keeps it from running as it would on a better GPU, for operators."""
    key: str = ""
    """Key under which the card and the model are remembered; empty on the CPU."""


def fit(context: LoadContext, settings: QwenAsrSettings, cards: Float32Cards) -> Fitting:
    """Examine the device and decide how to compute; this creates a CUDA context, so it belongs in `load`.

    Raises:
        EngineDeviceError: The environment cannot compute there.
        EngineOutOfMemoryError: There is not enough memory even for the context.
    """
    if not context.device.startswith("cuda"):
        return Fitting(settings=settings)
    gpu = meet(context)
    key = card_key(card=gpu.name, model=context.model, library=f"torch {torch.__version__}")
    suited = suit_gpu(
        gpu,
        weights_bytes=weights_bytes(context.model_dir),
        aligner_bytes=weights_bytes(_aligner(context, settings)),
        dtype=settings.dtype,
        attention=settings.attention,
        aligner_device=settings.aligner_device,
        has_flash=importlib.util.find_spec("flash_attn") is not None,
        float32=key in cards,
    )
    log.info(
        "%s: %s, %s, %d clips at a time, %.2f GB at most",
        gpu.name,
        suited.dtype,
        suited.attention,
        suited.clips,
        suited.needed_bytes / 1e9,
    )
    for reason in suited.reasons:
        log.warning("%s", reason)
    if suited.needed_bytes > gpu.free_bytes - MARGIN_BYTES:
        log.warning(
            "%s has %.2f GB free, and this model needs %.2f GB by estimate; loading it all the same",
            gpu.name,
            gpu.free_bytes / 1e9,
            suited.needed_bytes / 1e9,
        )
    where = settings.aligner_device
    if where == "auto":
        where = context.device if suited.aligner_on_gpu else "cpu"
    decided = replace(settings, dtype=suited.dtype, attention=suited.attention, aligner_device=where)
    return Fitting(settings=decided, clips=suited.clips, reasons=suited.reasons, key=key)


def meet(context: LoadContext) -> Gpu:
    """Return the GPU, with the memory that is free once CUDA's context and libraries are loaded."""
    device = context.device
    with explained(device):
        square = torch.ones(64, 64, device=device)
        (square @ square).sum().item()  # cuBLAS allocates its memory at the first product
        free_bytes = int(torch.cuda.mem_get_info(device)[0])
        gpu = Gpu(
            name=torch.cuda.get_device_name(device),
            capability=torch.cuda.get_device_capability(device),
            free_bytes=free_bytes,
        )
    if context.memory_bytes is not None:
        log.info("CUDA itself takes %.2f GB", max(0, context.memory_bytes - free_bytes) / 1e9)
    return gpu


@contextmanager
def explained(device: str) -> Iterator[None]:
    """Raise CUDA's errors in words for operators, and all other errors unchanged."""
    try:
        yield
    except Exception as error:
        if (meaning := explain_cuda(error, engine=NAME, device=device, **_card(device))) is not None:
            raise meaning from error
        raise


def weights_bytes(folder: Path | None) -> int:
    """Return the size of the weights in a folder; they are published in 16 bits."""
    if folder is None:
        return 0
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _aligner(context: LoadContext, settings: QwenAsrSettings) -> Path | None:
    if settings.aligner:
        return Path(settings.aligner).expanduser()
    return context.model_dir / ALIGNER.folder if context.model_dir else None


def _card(device: str) -> dict[str, Any]:
    """Return name and capability of a GPU; nothing if it no longer answers."""
    try:
        return {
            "card": torch.cuda.get_device_name(device),
            "capability": torch.cuda.get_device_capability(device),
        }
    except Exception:  # noqa: BLE001  # no driver, no CUDA, or a context that is gone
        return {}

"""Loading a model from its folder."""

import os
from pathlib import Path
from typing import Any

from speechhub.engine import DeviceMemory, EngineLoadError, LoadContext, explain_cuda, forbid_code_in_weights
from speechhub_qwen_asr import ALIGNER
from speechhub_qwen_asr.settings import QwenAsrSettings

# Engines never download: the libraries must report missing files instead. They read this on import.
os.environ["HF_HUB_OFFLINE"] = "1"

try:
    import torch
    from qwen_asr import Qwen3ASRModel

    from speechhub_qwen_asr import devices
    from speechhub_qwen_asr.checkpoint import Checkpoint
    from speechhub_qwen_asr.hooks import keep_encoder_windows, score_last_position_only
    from speechhub_qwen_asr.suiting import suit
except (ImportError, OSError) as error:
    lacking = getattr(error, "name", None) or error
    raise explain_cuda(error, engine="qwen-asr", device="the GPU") or EngineLoadError(
        f"The engine qwen-asr lacks {lacking}. Install it into an environment of its own: speechhub engines "
        "install qwen-asr. See docs/engines/qwen3-asr.md."
    ) from error

# The weights are safetensors; any other file that transformers finds must be read as data, too.
forbid_code_in_weights(torch.__version__)

MAX_THREADS = 8
"""Most CPU threads to use where no number is set."""


class Folders:
    """The folders of a model and of its aligner, if there is one; checked, but not read yet."""

    def __init__(self, context: LoadContext, settings: QwenAsrSettings) -> None:
        """Check the files.

        Raises:
            EngineLoadError: A folder holds no such model, or not all of it.
        """
        self.model = Checkpoint(context.model_dir, f"model {context.model!r}")
        folder = aligner_folder(context, settings)
        self.aligner = Checkpoint(folder, "the aligner", aligner=True) if folder else None

    @property
    def size_bytes(self) -> int:
        """Size of all weights."""
        return self.model.size_bytes + (self.aligner.size_bytes if self.aligner else 0)


def load_model(context: LoadContext, settings: QwenAsrSettings, held: Any = None) -> Any:
    """Return a ``Qwen3ASRModel`` with its hooks, on its device; the aligner too, if there is one.

    Args:
        context: Of `load`.
        settings: The operator's options; on a GPU, as `fit` decided.
        held: What `read_model` made in `prepare`; None reads it now.

    Raises:
        EngineLoadError: A folder holds no such model, or not all of it, or the device cannot run it.
    """
    set_threads(context.threads)
    device = context.device
    aligner_device = "cpu" if settings.aligner_device == "auto" else settings.aligner_device
    keywords = _keywords(device, settings), _keywords(aligner_device, settings)
    asr = read_model(context, Folders(context, settings), *keywords) if held is None else held
    try:
        asr.model.to(device)
        suit(asr.model, **keywords[0])
        asr.device, asr.dtype = asr.model.device, asr.model.dtype
        if asr.forced_aligner is not None:
            asr.forced_aligner.model.to(aligner_device)
            suit(asr.forced_aligner.model, **keywords[1])
            asr.forced_aligner.device = asr.forced_aligner.model.device
    except (RuntimeError, AssertionError) as error:
        raise EngineLoadError(f"Device {device} cannot be used: {error}") from error
    return asr


def read_model(
    context: LoadContext, folders: Folders, keywords: dict[str, Any], aligner_keywords: dict[str, Any]
) -> Any:
    """Return a ``Qwen3ASRModel`` with its hooks, in the host's memory; with the aligner, if there is one.

    Args:
        context: Of `prepare` or of `load`.
        folders: The model's and the aligner's.
        keywords: For ``from_pretrained`` of the model: arithmetic and attention.
        aligner_keywords: The same for the aligner.

    Raises:
        EngineLoadError: The weights are damaged or incomplete.
    """
    checkpoint, aligner = folders.model, folders.aligner
    try:
        # Without device_map, which needs accelerate: the weights pass through the host's memory once.
        asr = Qwen3ASRModel.from_pretrained(
            str(checkpoint.folder),
            forced_aligner=str(aligner.folder) if aligner else None,
            forced_aligner_kwargs=aligner_keywords,
            **keywords,
        )
        models = [asr.model.thinker, *([asr.forced_aligner.model.thinker] if aligner else [])]
        for thinker in models:
            keep_encoder_windows(thinker.audio_tower)
        score_last_position_only(asr.model.thinker.lm_head)
    except Exception as error:  # transformers and torch raise all kinds
        raise EngineLoadError(
            f"Qwen3-ASR cannot load model {context.model!r} on {context.device}: "
            f"{type(error).__name__}: {error}"
        ) from error
    _check(checkpoint, asr.model)
    if aligner is not None:
        _check(aligner, asr.forced_aligner.model)
    return asr


def held_memory(asr: Any) -> DeviceMemory | None:
    """Return what PyTorch holds on the GPUs of model and aligner; None if both are on the CPU."""
    parts = [asr, asr.forced_aligner]
    return devices.held_memory(str(part.device) for part in parts if part is not None)


def aligner_folder(context: LoadContext, settings: QwenAsrSettings) -> Path | None:
    """Return where the aligner is: where the operator says, or with the model; None if there is none."""
    if settings.aligner:
        return Path(settings.aligner).expanduser()
    beside = context.model_dir / ALIGNER.folder if context.model_dir else None
    return beside if beside and beside.is_dir() else None


def set_threads(threads: int) -> None:
    """Set how many CPU threads PyTorch uses for the calling thread; 0 is all cores, up to a limit."""
    torch.set_num_threads(threads or min(MAX_THREADS, len(os.sched_getaffinity(0))))


def _keywords(device: str, settings: QwenAsrSettings) -> dict[str, Any]:
    dtype = devices.choose_dtype(settings.dtype, device)
    return {
        "dtype": dtype,
        "use_safetensors": True,
        "attn_implementation": devices.choose_attention(settings.attention, device, dtype),
    }


def _check(checkpoint: Checkpoint, model: Any) -> None:
    thinker = model.thinker
    embedding, head = thinker.model.embed_tokens.weight, thinker.lm_head.weight
    tied = ("thinker.lm_head.weight",) if head is embedding else ()
    checkpoint.check_complete(model.state_dict(), tied=tied)

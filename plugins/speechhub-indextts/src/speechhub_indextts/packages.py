"""Imports of both generations' packages, so that they neither download, nor print, nor log a text."""

import logging
import os
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

# Read when the libraries are imported. Engines never download: the libraries must report missing files.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"  # a bar for each segment would become lines in the log
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["INDEXTTS_LOG_LEVEL"] = "ERROR"  # warnings quote the text

from speechhub.engine import EngineLoadError, explain_cuda, forbid_code_in_weights
from speechhub_indextts.standins import leave_out_nemo_audio, torchaudio_stand_in

try:
    import huggingface_hub.constants
    import safetensors.torch
    import torch
    import transformers

    logging.getLogger("indextts25").setLevel(logging.ERROR)  # as above
    with warnings.catch_warnings(action="ignore"):
        import indextts25.infer_v2_5
except (ImportError, OSError) as error:
    lacking = getattr(error, "name", None) or error
    raise explain_cuda(error, engine="indextts", device="the GPU") or EngineLoadError(
        f"The engine indextts lacks {lacking}. Install it into an environment of its own: speechhub engines "
        "install indextts. See docs/engines/indextts.md."
    ) from error

# Half of the files are .pth, which the packages read with torch.load and its default mode.
forbid_code_in_weights(torch.__version__)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
leave_out_nemo_audio()

__all__ = ["indextts25", "infer_v2", "quiet", "safetensors", "torch", "transformers", "use_hub_cache"]


def infer_v2() -> Any:
    """Return the module ``indextts.infer_v2`` of indextts2-inference.

    Raises:
        EngineLoadError: It cannot be imported.
    """
    with quiet(), torchaudio_stand_in():  # importing it silences warnings everywhere
        try:
            import indextts.infer_v2 as module  # noqa: PLC0415  # only one generation is used
        except ImportError as error:
            raise EngineLoadError(
                f"indextts2-inference cannot be imported: {error}. Install the engine again: "
                "speechhub engines install indextts."
            ) from error
    return module


def quiet() -> AbstractContextManager[Any]:
    """Silence the packages' warnings, which quote the text and which speechhub cannot fix."""
    return warnings.catch_warnings(action="ignore")


def use_hub_cache(folder: Path) -> None:
    """Make the model hub's client look for files in *folder* only."""
    huggingface_hub.constants.HF_HUB_CACHE = str(folder)

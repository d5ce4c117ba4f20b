"""The packages of both generations, so imported that they neither download, nor print, nor log a text."""

import logging
import os
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

# Read when the libraries are imported. Engines never download: whatever is missing, they are to say so.
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
        f"The engine indextts lacks {lacking}: it needs what its engine-requirements.txt lists, in an "
        "environment of its own. See docs/engines/indextts.md."
    ) from error

# Half of the files are .pth, which the packages read by torch.load without saying how.
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
            raise EngineLoadError(f"indextts2-inference cannot be imported: {error}") from error
    return module


def quiet() -> AbstractContextManager[Any]:
    """Keep the packages' warnings to themselves: they quote what is said, and none is ours to mend."""
    return warnings.catch_warnings(action="ignore")


def use_hub_cache(folder: Path) -> None:
    """Have the model hub's client look for files in *folder*, and nowhere else."""
    huggingface_hub.constants.HF_HUB_CACHE = str(folder)

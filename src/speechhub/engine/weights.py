"""A guard for engines on PyTorch: files of weights are read as data and never run code."""

import os
import re
from typing import Final

from speechhub.errors import EngineLoadError

OLDEST_TORCH: Final = (2, 6)
"""Older ones run the code in a ``.pth`` file unless each call forbids it. Source: release notes of 2.6."""
FORCED: Final = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
FORBIDDEN: Final = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""Variables that ``torch.load`` reads at each call. Source: torch/serialization.py."""


def forbid_code_in_weights(torch_version: str) -> None:
    """Make every ``torch.load`` in this process read data only, even where a library asks for pickles.

    Call it before anything is loaded. It sets an environment variable of PyTorch's, for child processes too.

    Args:
        torch_version: ``torch.__version__``.

    Raises:
        EngineLoadError: PyTorch is too old for it, or an environment variable demands the opposite.
    """
    found = re.match(r"(\d+)\.(\d+)", torch_version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        raise EngineLoadError(
            f"PyTorch {torch_version} runs code that a file of weights may hold; this engine needs {oldest} "
            "or newer. Install the engine again: speechhub engines install NAME."
        )
    if os.environ.get(FORBIDDEN, "0").lower() in ("1", "y", "yes", "true"):
        raise EngineLoadError(
            f"{FORBIDDEN} is set, so that files of weights could run code. Unset it and restart the server."
        )
    os.environ[FORCED] = "1"

"""Adapting a model that was read before its device could be queried."""

from typing import Any

import torch


def suit(model: Any, *, dtype: torch.dtype, attn_implementation: str, **_: Any) -> None:
    """Convert *model*, which has the dtype of its file, in place to that of its device.

    Args:
        model: From ``from_pretrained``.
        dtype: For its parameters. Buffers keep theirs, as ``from_pretrained`` would leave them: the tables of
            positions are in 32 bits in any case.
        attn_implementation: As ``from_pretrained`` takes it.
    """
    if model.dtype is not dtype:
        for parameter in model.parameters():  # each once, even if tied
            parameter.data = parameter.data.to(dtype)
    if model.config._attn_implementation != attn_implementation:  # noqa: SLF001  # it has no public reader
        model.set_attn_implementation(attn_implementation)

"""A model that was read before anybody could ask its device: made to suit it after all."""

from typing import Any

import torch


def suit(model: Any, *, dtype: torch.dtype, attn_implementation: str, **_: Any) -> None:
    """Give *model*, which has its file's arithmetic, that of its device, where it lies.

    Args:
        model: From ``from_pretrained``.
        dtype: Of its parameters. Buffers keep theirs, as ``from_pretrained`` would leave them: the tables of
            positions are in 32 bits in any case.
        attn_implementation: As ``from_pretrained`` takes it.
    """
    if model.dtype is not dtype:
        for parameter in model.parameters():  # each once, those that are tied too
            parameter.data = parameter.data.to(dtype)
    if model.config._attn_implementation != attn_implementation:  # noqa: SLF001  # it has no public reader
        model.set_attn_implementation(attn_implementation)

"""Hooks of PyTorch that add two things which qwen-asr 0.0.6 lacks.

Each function returns a handle whose ``remove()`` undoes it; when a later release does the same by itself,
delete the function and its call in `model`.
"""

from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle


class Handles:
    """Several hooks that belong together."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()


def keep_encoder_windows(audio_tower: nn.Module) -> Handles:
    """Let each part of a recording, 8 s long, attend to itself alone, as in training.

    Flash attention reads the windows' borders from ``cu_seqlens``; other implementations need a mask,
    which the encoder could prepare but does not. Clips longer than a window are then encoded differently than
    in training, and words get lost. Source: QwenLM/Qwen3-ASR, issue 213 and pull request 103.
    """

    def add_mask(
        _layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        hidden, borders = args[0], kwargs["cu_seqlens"] if "cu_seqlens" in kwargs else args[1]
        several = len(borders) > 2  # noqa: PLR2004  # one window has two borders
        if several and kwargs.get("attention_mask") is None:
            mask = audio_tower._prepare_attention_mask(hidden, borders)  # noqa: SLF001  # type: ignore[operator]
            kwargs = {**kwargs, "attention_mask": mask}
        return args, kwargs

    layers: Any = audio_tower.layers
    return Handles([layer.register_forward_pre_hook(add_mask, with_kwargs=True) for layer in layers])


def score_last_position_only(lm_head: nn.Module) -> Handles:
    """Compute the scores of the next token only, not one row of 151,936 for each position of the prompt.

    The prompt of a clip of 30 s has 400 positions and more: 113 MiB of scores, of which one row is used.
    Decoding reads only that row; the forced aligner reads all, so do not use this on its head.
    """

    def last(_head: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0][:, -1:], *args[1:])

    return Handles([lm_head.register_forward_pre_hook(last)])

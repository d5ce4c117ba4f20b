"""A look at what the models compute, while they speak for the first time: 16 bits go wrong on some cards.

float16 overflows beyond 65504. Scores that are no numbers end in CUDA's "device-side assert", after which the
whole process is of no use; so they are looked at before they are drawn from.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from speechhub_indextts.packages import torch


class NotNumbersError(Exception):
    """A model computed something that is no number; the message names the model."""


@contextmanager
def watched(tts: Any) -> Iterator[None]:
    """Have the package's models looked at, each time that they compute.

    Args:
        tts: The package's engine.

    Raises:
        NotNumbersError: Out of whatever calls the model.
    """
    hooks = [
        module.register_forward_hook(_look(name))
        for name, module in (("GPT", tts.gpt.inference_model), ("vocoder", tts.bigvgan))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _look(name: str) -> Any:
    def look(_module: Any, _args: Any, output: Any) -> None:
        if not torch.isfinite(getattr(output, "logits", output)).all():
            raise NotNumbersError(name)

    return look


def halve_vocoder(vocoder: Any) -> None:
    """Have the vocoder compute in float16, between a spectrogram and samples in float32."""
    vocoder.to(torch.float16)
    vocoder.register_forward_pre_hook(lambda _, args: tuple(it.to(torch.float16) for it in args))
    vocoder.register_forward_hook(lambda _module, _args, samples: samples.to(torch.float32))

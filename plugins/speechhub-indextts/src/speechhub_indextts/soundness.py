"""A check of what the models compute when they speak for the first time, since 16 bits fail on some cards.

float16 overflows beyond 65504. Scores that are NaN end in CUDA's "device-side assert", after which the whole
process is unusable; so they are checked before a token is sampled from them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from speechhub_indextts.packages import torch


class NotNumbersError(Exception):
    """A model computed NaN or infinity; the message names the model."""


@contextmanager
def watched(tts: Any) -> Iterator[None]:
    """Check the output of the package's models each time they compute.

    Args:
        tts: The package's engine.

    Raises:
        NotNumbersError: From within the call of the model.
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
    """Make the vocoder compute in float16, from a spectrogram in float32 to samples in float32."""
    vocoder.to(torch.float16)
    vocoder.register_forward_pre_hook(lambda _, args: tuple(tensor.to(torch.float16) for tensor in args))
    vocoder.register_forward_hook(lambda _module, _args, samples: samples.to(torch.float32))

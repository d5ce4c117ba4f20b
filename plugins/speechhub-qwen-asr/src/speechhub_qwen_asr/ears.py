"""Listening with a check of the results: if 16 bits fail on a card, the model is converted to float32.

float16 overflows beyond 65504. The resulting NaNs come out as token 0, ``!``, or as the same word again and
again. Source: QwenLM/Qwen3-TTS, issue 43; modelscope/FunASR, issue 3597.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from speechhub.engine import EngineError, EngineLoadError, Float32Cards
from speechhub_qwen_asr.fitting import Fitting
from speechhub_qwen_asr.generation import Wish
from speechhub_qwen_asr.recognizer import SAMPLE_RATE, Clip, Heard, Recognizer
from speechhub_qwen_asr.suited import MARGIN_BYTES

log = logging.getLogger(__name__)

FEWEST_TOKENS: Final = 8
"""In shorter answers a single token may well make up over half."""
WARM_UP_S: Final = 2.0
DAMAGED: Final = (
    "The model's scores are not finite numbers, even in float32: its weights or the device are damaged. Pull "
    "the model again; on a GPU, try another driver."
)


def free_bytes(device: torch.device) -> int:
    """Return the memory for float32 on a device: what is free, and what PyTorch's allocator keeps unused."""
    if device.type != "cuda":
        return int(torch.iinfo(torch.int64).max)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + unused)


class Ears:
    """A recognizer that hears as many clips at once as suit the device, and checks the results."""

    def __init__(
        self,
        asr: Any,
        recognizer: Recognizer,
        fitting: Fitting,
        cards: Float32Cards,
        free: Callable[[torch.device], int] = free_bytes,
    ) -> None:
        """Take over a model that was loaded.

        Args:
            asr: The ``Qwen3ASRModel``.
            recognizer: Listens with that model.
            fitting: How to compute.
            cards: Where cards are remembered on which 16 bits fail.
            free: Returns how much memory of a device is available.
        """
        self._asr = asr
        self._recognizer = recognizer
        self._fitting = fitting
        self._cards = cards
        self._free = free
        self._wrong: torch.Tensor | None = None
        self._doubted = False
        asr.model.thinker.lm_head.register_forward_hook(self._look)

    def warm_up(self) -> None:
        """Listen once to something like speech, to load what is loaded late and to check that it works.

        Raises:
            EngineLoadError: The model computes no finite numbers on this device, not even in float32.
        """
        clip = Clip(samples=speech_like(), language="English")
        self._hear([clip], Wish())
        if not self._went_wrong():
            return
        if not self._narrow:
            raise EngineLoadError(DAMAGED)
        if fault := self._widen():
            raise EngineLoadError(fault)
        self._hear([clip], Wish())
        if self._went_wrong():
            raise EngineLoadError(DAMAGED)
        self._remember()

    def hear(self, clips: Sequence[Clip], wish: Wish) -> list[Heard]:
        """Return what is said in each clip; if 16 bits failed, listen again in float32.

        Raises:
            EngineError: 16 bits failed, and there is no memory for float32.
        """
        heard = self._hear(clips, wish)
        wrong = self._went_wrong()
        if not self._narrow or wish.stopped():
            return heard
        overflows = self._asr.model.dtype is torch.float16
        spoilt = [place for place, one in enumerate(heard) if self._is_spoilt(one.text, overflows=overflows)]
        if not wrong and (self._doubted or not spoilt):
            return heard
        self._doubted = True
        if fault := self._widen():
            if wrong:
                raise EngineError(fault)
            log.warning("%s", fault)
            return heard
        if wish.on_token is not None:
            self._remember()
            return heard  # this text was streamed already; the next one is decoded in float32
        again = self._hear(clips, wish)
        if wrong or any(not self._is_spoilt(again[place].text, overflows=overflows) for place in spoilt):
            self._remember()
        return again

    @property
    def _narrow(self) -> bool:
        return self._asr.model.dtype in (torch.float16, torch.bfloat16)

    def _hear(self, clips: Sequence[Clip], wish: Wish) -> list[Heard]:
        step = self._fitting.clips
        heard: list[Heard] = []
        for start in range(0, len(clips), step):
            if wish.stopped():
                break
            heard += self._recognizer.hear(clips[start : start + step], wish)
        return heard + [Heard(text="", language="")] * (len(clips) - len(heard))

    def _look(self, _head: Any, _args: Any, scores: torch.Tensor) -> None:
        wrong = ~torch.isfinite(scores).all()
        self._wrong = wrong if self._wrong is None else self._wrong | wrong  # stays on the device

    def _went_wrong(self) -> bool:
        wrong, self._wrong = self._wrong, None
        return wrong is not None and bool(wrong)

    def _is_spoilt(self, text: str, *, overflows: bool) -> bool:
        """Tell whether a text looks like failed arithmetic; one repeated word does, where it can overflow."""
        if not text:
            return False
        if not set(text) - {"!", " "}:
            return True
        return overflows and dominated(self._asr.processor.tokenizer.encode(text, add_special_tokens=False))

    def _widen(self) -> str:
        """Convert the model to float32 in place; return why that is impossible, or an empty text."""
        model = self._asr.model
        more = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        free = self._free(model.device)
        if more + MARGIN_BYTES > free:
            return (
                f"16 bits fail on {model.device}: the model's scores are not finite. float32 needs "
                f"{more / 1e9:.2f} GB more there, and {free / 1e9:.2f} GB are free. Use a smaller model, or "
                'the CPU: [engines.qwen-asr] device = "cpu".'
            )
        log.warning("16 bits fail on %s: continuing in float32", model.device)
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.float32)
        if model.config._attn_implementation == "flash_attention_2":  # noqa: SLF001  # it has no public reader
            model.set_attn_implementation("sdpa")
        self._asr.dtype = torch.float32
        return ""

    def _remember(self) -> None:
        if self._fitting.key:
            self._cards.add(self._fitting.key)


def dominated(tokens: Sequence[int]) -> bool:
    """Tell whether one token makes up over half of an answer."""
    if len(tokens) < FEWEST_TOKENS:
        return False
    [(_, most)] = Counter(tokens).most_common(1)
    return 2 * most > len(tokens)


def speech_like() -> NDArray[np.float32]:
    """Return a buzz that swells four times a second through moving formants, over a little noise.

    Returns:
        float32, shape (n_samples,), 16 kHz.
    """
    time_s = np.arange(int(WARM_UP_S * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 2 * np.pi * (120 * time_s + 8 * np.sin(2 * np.pi * 0.7 * time_s))
    voice = sum(
        np.sin(harmonic * pitch) * np.exp(-(((harmonic * 120 - formant) / 400) ** 2))
        for harmonic in range(1, 30)
        for formant in (500, 1500, 2500)
    )
    swelling = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * time_s)
    noise = np.random.default_rng(1).normal(0, 0.01, len(time_s))
    samples = voice * swelling / np.abs(voice).max() * 0.5 + noise
    return np.asarray(samples, np.float32)

"""The recognizer: turns clips into texts with qwen-asr, and works around its known weaknesses."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speechhub_qwen_asr.context import echoes, share_a_word
from speechhub_qwen_asr.generation import Outcome, Wish, steered
from speechhub_qwen_asr.tags import certain_part, without_tags

log = logging.getLogger(__name__)

SAMPLE_RATE: Final = 16_000
SHORTEST_S: Final = 0.5
"""Shorter clips, in seconds, are padded with silence: the encoder fails on 200 samples and fewer."""
EMPTY_S: Final = 1.5
"""If a clip with sound that is shorter than this, in seconds, gives no text, it is decoded again."""
FILLED_S: Final = 1.0
"""Length to which such a clip is padded first, in seconds."""
TOKENS_PER_S: Final = 12
"""More than can be said in a second. Speech has 3 to 5 tokens a second; fast Chinese, 8."""
TOKENS_BESIDE: Final = 64
"""Extra tokens for the language, and for numbers that are written out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """What to listen to."""

    samples: NDArray[np.float32]
    """float32, shape (n_samples,), range [-1, 1], 16 kHz."""
    context: str = ""
    language: str | None = None
    """The model's own name of the language; None means detect it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the model made of a clip."""

    text: str
    language: str
    """The model's own name of the language; empty if it names none."""
    cut: bool = False
    """Whether the text did not end and was cut off."""


def budget(duration_s: float) -> int:
    """Return how many tokens a clip may take before it is checked, by its length in seconds."""
    return TOKENS_BESIDE + int(TOKENS_PER_S * duration_s)


class Recognizer:
    """Listens with one loaded model; lives as long as the model."""

    def __init__(self, asr: Any, *, repetition_penalty: float) -> None:
        self._asr = asr
        self._penalty = repetition_penalty

    def hear(self, clips: Sequence[Clip], wish: Wish) -> list[Heard]:
        """Return what is said in each clip; clips with a bad text are decoded again."""
        heard, outcome = self._decode(clips, wish)
        if outcome.cut and not wish.stopped():
            log.warning("%d transcripts did not end by themselves and were cut off", len(outcome.cut))
        heard = [replace(one, cut=place in outcome.cut) for place, one in enumerate(heard)]
        if wish.on_token is not None:
            return heard  # the text was streamed already
        for place in sorted(outcome.looped):
            if wish.stopped():
                break
            heard[place] = self._again(clips[place], wish)
        for place, clip in enumerate(clips):
            if not wish.stopped() and not heard[place].text and len(clip.samples) < EMPTY_S * SAMPLE_RATE:
                heard[place] = self._filled_up(clip, wish)
        for place, clip in enumerate(clips):
            if not wish.stopped() and echoes(heard[place].text, clip.context):
                heard[place] = self._without_context(clip, heard[place], wish)
        return heard

    def _again(self, clip: Clip, wish: Wish) -> Heard:
        """Decode a clip again whose text looped; if it loops again, one round is kept."""
        [heard], _ = self._decode([clip], replace(wish, repetition_penalty=self._penalty))
        return heard

    def _filled_up(self, clip: Clip, wish: Wish) -> Heard:
        """Decode a short clip without text again, with silence around it."""
        missing = max(0, int(FILLED_S * SAMPLE_RATE) - len(clip.samples))
        samples = np.pad(clip.samples, (missing // 2, missing - missing // 2))
        [heard], _ = self._decode([replace(clip, samples=samples)], wish)
        return heard

    def _without_context(self, clip: Clip, heard: Heard, wish: Wish) -> Heard:
        """Listen without the context: on noise the model repeats it as if it had been said."""
        [other], _ = self._decode([replace(clip, context="")], wish)
        return heard if share_a_word(heard.text, other.text) else other

    def _decode(self, clips: Sequence[Clip], wish: Wish) -> tuple[list[Heard], Outcome]:
        longest_s = max(len(clip.samples) for clip in clips) / SAMPLE_RATE
        self._asr.max_new_tokens = budget(longest_s)
        self._asr.max_inference_batch_size = -1  # the caller decides how many are decoded together
        with steered(self._asr.model, wish) as outcome:
            results = self._asr.transcribe(
                audio=[(_safe(clip.samples), SAMPLE_RATE) for clip in clips],
                context=[clip.context for clip in clips],
                language=[clip.language for clip in clips],
            )
        heard = [
            Heard(text=without_tags(result.text).strip(), language=result.language or "")
            for result in results
        ]
        return heard, outcome


class Deltas:
    """Turns one clip's tokens into pieces of its text; lives as long as a stream."""

    def __init__(self, decode: Callable[[list[int]], str], *, tagged: bool) -> None:
        """Start an empty text.

        Args:
            decode: The tokenizer's.
            tagged: Whether the model writes the language first, which is not part of the text.
        """
        self._decode = decode
        self._tagged = tagged
        self._tokens: list[int] = []
        self.said = ""
        """The text that was returned so far."""

    def add(self, token: int) -> str:
        """Return what the token adds to the text; empty while that is uncertain."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if self._tagged:
            text = text.partition("<asr_text>")[2]
        text = certain_part(without_tags(text))
        # Half a character decodes to U+FFFD, and a space counts only when text follows.
        text = text.removesuffix("\ufffd").strip()
        if not text.startswith(self.said):
            return ""
        delta = text[len(self.said) :]
        self.said = text
        return delta


def _safe(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples that qwen-asr accepts: long enough, finite, writable."""
    missing = max(0, int(SHORTEST_S * SAMPLE_RATE) - len(samples))
    return np.pad(np.nan_to_num(samples), (0, missing))

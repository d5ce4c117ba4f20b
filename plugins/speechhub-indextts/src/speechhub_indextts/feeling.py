"""Emotions in words: the small language model of IndexTTS-2 turns a description into weights.

indextts25-inference lacks it, and indextts2-inference always loads it and does not limit its answers; so both
generations share this.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from speechhub.engine import InvalidValueError
from speechhub_indextts.emotion import read_answer
from speechhub_indextts.packages import quiet, torch, transformers

PROMPT: Final = "文本情感分类"
"""The prompt that the model was trained with. Source: QwenEmotion in index-tts, infer_v2.py."""
MAX_ANSWER_TOKENS: Final = 256
"""An answer takes about 80. Without a limit, a model that loops writes 32768."""
MAX_DESCRIPTION_CHARS: Final = 1000
"""Longer descriptions say no more about the emotion, and take memory."""


class FeelingReader:
    """Reads emotions, with a model that is loaded on first use; lives as long as the engine."""

    def __init__(self, folder: Path | None, device: str, half: str = "float16") -> None:
        """Load nothing yet.

        Args:
            folder: The model's folder; None if it is not installed.
            device: Where it runs.
            half: The 16-bit dtype that suits the device.
        """
        self._folder = folder
        self._device = device
        self._half = half
        self._model: Any = None
        self._tokenizer: Any = None

    def read(self, description: str, on_step: Callable[[], None]) -> list[float]:
        """Return the eight weights that a description, or a text, suggests.

        Args:
            description: The client's description, or the text.
            on_step: Called before each token; an exception that it raises ends the work.

        Raises:
            InvalidValueError: The model's folder has no emotion model.
        """
        description = description[:MAX_DESCRIPTION_CHARS]
        self._load()
        prompt = self._tokenizer.apply_chat_template(
            [{"role": "system", "content": PROMPT}, {"role": "user", "content": description}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        inputs = self._tokenizer([prompt], return_tensors="pt").to(self._device)
        with torch.no_grad(), quiet():
            output = self._model.generate(
                **inputs,
                max_new_tokens=MAX_ANSWER_TOKENS,
                do_sample=False,
                pad_token_id=self._tokenizer.eos_token_id,
                stopping_criteria=transformers.StoppingCriteriaList([_Step(on_step)]),
            )
        answer = self._tokenizer.decode(output[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return read_answer(answer.rpartition("</think>")[2], description)

    def _load(self) -> None:
        if self._model is not None:
            return
        if self._folder is None:
            raise InvalidValueError(
                "This model was installed without its emotion model, so it cannot read emotions in words; "
                "send a vector or a recording.",
                param="emotion.text",
            )
        # 16 bits are slow on a CPU, and the model is small.
        dtype = torch.float32 if self._device == "cpu" else getattr(torch, self._half)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(
            self._folder, dtype=dtype, use_safetensors=True
        )
        self._model.to(self._device).eval()


class _Step(transformers.StoppingCriteria):  # type: ignore[misc]  # transformers is not installed where types are checked
    """Calls *on_step* before each token, which may end the work."""

    def __init__(self, on_step: Callable[[], None]) -> None:
        self._on_step = on_step

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        self._on_step()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

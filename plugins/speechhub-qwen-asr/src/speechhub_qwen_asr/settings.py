"""Settings of the engine: the table ``[engines.qwen-asr]``."""

from dataclasses import dataclass
from typing import Final

from speechhub.engine import ConfigurationError, SpokenLanguages
from speechhub_qwen_asr.languages import LANGUAGES

DTYPES: Final = ("auto", "float32", "bfloat16", "float16")
ATTENTION: Final = ("auto", "sdpa", "eager", "flash_attention_2")


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenAsrSettings(SpokenLanguages):
    """Options of the engine; docs/engines/qwen3-asr.md explains them."""

    dtype: str = "auto"
    """Arithmetic: ``float32``, ``bfloat16`` or ``float16``; ``auto`` is 16 bits on devices that have them."""
    attention: str = "auto"
    """``sdpa``, ``eager`` or ``flash_attention_2``; ``auto`` is the last where it runs, else ``sdpa``."""
    aligner: str = ""
    """Folder with Qwen3-ForcedAligner-0.6B, for word times; empty uses the model's part, if installed."""
    aligner_device: str = "auto"
    """Where the aligner runs; ``auto`` is the model's device if there is room, and the CPU otherwise."""
    repetition_penalty: float = 1.2
    """Used when a text loops and is decoded again; 1 decodes it the same way."""

    def __post_init__(self) -> None:
        self.check_languages("qwen-asr", LANGUAGES)
        for name, value, known in (
            ("dtype", self.dtype, DTYPES),
            ("attention", self.attention, ATTENTION),
        ):
            if value not in known:
                raise ConfigurationError(
                    f"Engine option {name} of qwen-asr must be one of {', '.join(known)}, not {value!r}."
                )
        if not 1 <= self.repetition_penalty <= 2:  # noqa: PLR2004  # the range that the docs give
            raise ConfigurationError("Engine option repetition_penalty of qwen-asr must be 1 to 2.")

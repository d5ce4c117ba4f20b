"""Settings of the engine: the table ``[engines.indextts]``."""

from dataclasses import dataclass
from typing import Final

from speechhub.engine import ConfigurationError

DTYPES: Final = ("auto", "float32", "half")
ANALYSES: Final = ("auto", "device", "staged", "cpu")
LANGUAGES: Final = ("ar", "en", "es", "ja", "zh")
RANGES: Final = {
    "temperature": (0.01, 2.0),
    "top_p": (0.01, 1.0),
    "top_k": (1, 200),
    "num_beams": (1, 10),
    "repetition_penalty": (1.0, 20.0),
    "length_penalty": (-2.0, 2.0),
    "max_mel_tokens": (0, 1815),
    "diffusion_steps": (1, 100),
    "inference_cfg_rate": (0.0, 2.0),
    "segment_tokens": (0, 300),
    "silence_ms": (0, 5000),
    "longest_silence_ms": (0, 60_000),
    "kept_voices": (1, 64),
}
"""Smallest and largest value of each number. With other values the models fail, or do not stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTtsSettings:
    """Options of the engine; docs/engines/indextts.md explains them."""

    dtype: str = "auto"
    """Arithmetic of the GPT: ``float32`` or ``half``; ``auto`` goes by the card. All else is float32."""
    analysis: str = "auto"
    """Where voices are analysed: ``device``, ``staged`` (there only while needed) or ``cpu``; ``auto`` is the
    first that fits."""
    emotion_device: str = "auto"
    """Where the emotion model runs, a small language model; ``auto`` is the GPU if there is room."""
    emotion_model: str = ""
    """Folder with that model; empty is ``qwen0.6bemo4-merge`` in the model's own."""
    language: str = "en"
    """Language of texts in Latin script that is not recognised; IndexTTS-2.5 must be told one."""
    simplify: bool = True
    """Whether Chinese is converted to simplified characters, and full-width letters and digits to usual ones:
    the models were trained on no others."""
    normalization: bool = True
    """Whether numbers, dates and amounts are put into words."""
    grammars: tuple[str, ...] = ("en", "zh")
    """Languages whose grammars for that are prepared on loading, and not by the first text."""
    grammar_dir: str = ""
    """Folder that keeps the grammars that the installation did not build; empty is one that only the server's
    user can write."""
    segment_tokens: int = 0
    """Tokens of a segment, which is spoken at once; 0 is 120 for IndexTTS-2 and 60 for IndexTTS-2.5."""
    silence_ms: int = 200
    """Pause between two segments where the request names none, in milliseconds."""
    retry: bool = True
    """Whether a segment that sounds wrong is spoken again, unless the request names a seed."""
    longest_silence_ms: int = 1000
    """Longest silence inside a segment, in milliseconds; longer ones are shortened. 0 leaves them."""
    kept_voices: int = 8
    """Number of analysed recordings that stay in memory."""
    temperature: float = 0.8
    """Sampling of the codes: higher values are livelier and less certain."""
    top_p: float = 0.8
    """Sampling: how much of the probability is kept."""
    top_k: int = 30
    """Sampling: how many codes are kept."""
    num_beams: int = 3
    """Candidates that the beam search keeps; 1 is fastest, and the plan for memory may take fewer."""
    repetition_penalty: float = 10.0
    """Penalty for codes that repeat."""
    length_penalty: float = 0.0
    """Above 0 favours longer speech, below 0 shorter."""
    max_mel_tokens: int = 0
    """Most codes of a segment; 0 is half a minute of speech, which the memory plan assumes."""
    diffusion_steps: int = 25
    """Steps of the acoustic model; fewer are faster, and sound rougher."""
    inference_cfg_rate: float = 0.7
    """How strongly the acoustic model is guided towards the voice."""

    def __post_init__(self) -> None:
        for name, known in (("dtype", DTYPES), ("analysis", ANALYSES), ("language", LANGUAGES)):
            if getattr(self, name) not in known:
                raise ConfigurationError(
                    f"Engine option {name} of indextts must be one of {', '.join(known)}, "
                    f"not {getattr(self, name)!r}."
                )
        if unknown := [code for code in self.grammars if code not in LANGUAGES]:
            raise ConfigurationError(
                f"Engine option grammars of indextts must have codes out of {', '.join(LANGUAGES)}, not "
                f"{', '.join(unknown)}."
            )
        for name, (least, most) in RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ConfigurationError(f"Engine option {name} of indextts must be {least} to {most}.")

    def sampling(self) -> dict[str, float]:
        """Return the options for sampling, as both packages take them."""
        names = ("temperature", "top_p", "top_k", "num_beams", "repetition_penalty", "length_penalty")
        return {name: getattr(self, name) for name in names}

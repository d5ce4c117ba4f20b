"""Settings of the engine: the table ``[engines.whisper]``."""

from dataclasses import dataclass

from speechhub.engine import ConfigurationError, SpokenLanguages
from speechhub_whisper.languages import CANTONESE, LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperSettings(SpokenLanguages):
    """Options of the engine; README.md says how the defaults were chosen."""

    compute_type: str = "auto"
    """CTranslate2's arithmetic; ``auto`` is ``int8`` on a CPU, and ``int8_float16`` on a GPU that can."""
    beam_size: int = 5
    """Candidates that the beam search keeps; 1 is fastest."""
    batch_size: int = 0
    """Pieces of a long recording to decode together; 1 decodes one by one, 0 is 4 on a CPU and 8 on a GPU."""
    vad: bool = True
    """Whether to leave out what is not speech; otherwise Whisper may write words for silence."""
    vad_threshold: float = 0.35
    """How sure the detector must be that it hears speech, 0 to 1; lower values let more through."""
    condition_on_previous_text: bool = True
    """Whether each 30 s window is given the text of the one before it."""

    def __post_init__(self) -> None:
        self.check_languages("whisper", (*LANGUAGES, CANTONESE))
        if self.beam_size < 1 or self.batch_size < 0 or not 0 < self.vad_threshold < 1:
            raise ConfigurationError(
                "Engine options of whisper: beam_size must be at least 1, batch_size at least 0, and "
                "vad_threshold between 0 and 1."
            )

"""Settings of the engine: the table ``[engines.piper]``."""

from dataclasses import dataclass

from speechhub.engine import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class PiperSettings:
    """Options of the engine."""

    length_scale: float | None = None
    """How slowly to speak; 1.2 is a fifth slower. If not set, the voice's own value, mostly 1."""
    noise_scale: float | None = None
    """How much the tone varies; if not set, the voice's own value, mostly 0.667."""
    noise_w_scale: float | None = None
    """How much the rhythm varies; if not set, the voice's own value, mostly 0.8."""
    sentence_silence_s: float = 0.2
    """Pause after each sentence but the last, in seconds, 0 to 10, in addition to the voice's own. Between
    two calls of the engine, the hub leaves at most 0.7 s of both together."""
    loudness_db: float | None = -21.0
    """Mean level of the speech below full scale, in decibels, -60 to 0; null, in JSON, keeps
    the voice's own level."""

    def __post_init__(self) -> None:
        if not 0 <= self.sentence_silence_s <= 10:  # noqa: PLR2004
            raise ConfigurationError("Engine option sentence_silence_s of piper must be between 0 and 10.")
        if self.loudness_db is not None and not -60 <= self.loudness_db <= 0:  # noqa: PLR2004
            raise ConfigurationError("Engine option loudness_db of piper must be between -60 and 0.")

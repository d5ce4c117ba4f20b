"""Settings of the engine: the table ``[engines.pocketsphinx]``."""

from dataclasses import dataclass

from speechhub.engine import ConfigurationError

MOST_SESSIONS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PocketSphinxSettings:
    """Options of the engine."""

    sessions: int = 4
    """How many utterances of live transcriptions are heard while they are spoken, at the same time, 0 to 32;
    each takes 100 MB. Further ones are heard when they have ended."""

    def __post_init__(self) -> None:
        if not 0 <= self.sessions <= MOST_SESSIONS:
            raise ConfigurationError(
                f"Engine option sessions of pocketsphinx must be between 0 and {MOST_SESSIONS}."
            )

"""Voices: the speakers of a TTS model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One speaker of a TTS model."""

    id: str
    """Name that requests use; unique within its model."""
    name: str = ""
    """Name for display; if empty, the id."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes that the voice speaks, best first; empty if it speaks all of the model's."""

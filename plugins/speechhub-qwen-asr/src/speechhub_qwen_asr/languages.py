"""The languages of Qwen3-ASR: ISO codes for callers, English names for the model."""

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {
    "zh": "Chinese",
    "en": "English",
    "yue": "Cantonese",
    "ar": "Arabic",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "id": "Indonesian",
    "it": "Italian",
    "ko": "Korean",
    "ru": "Russian",
    "th": "Thai",
    "vi": "Vietnamese",
    "ja": "Japanese",
    "tr": "Turkish",
    "hi": "Hindi",
    "ms": "Malay",
    "nl": "Dutch",
    "sv": "Swedish",
    "da": "Danish",
    "fi": "Finnish",
    "pl": "Polish",
    "cs": "Czech",
    "tl": "Filipino",
    "fa": "Persian",
    "el": "Greek",
    "ro": "Romanian",
    "hu": "Hungarian",
    "mk": "Macedonian",
}
"""ISO code → the name that the model was trained with.

Source: SUPPORTED_LANGUAGES in qwen_asr/inference/utils.py, and in that order.
"""

ALIGNED: Final = ("zh", "en", "yue", "fr", "de", "it", "ja", "ko", "pt", "ru", "es")
"""Languages of Qwen3-ForcedAligner-0.6B. It also answers in others, with unknown quality.

Source: its model card.
"""

_CODES: Final = {name.lower(): code for code, name in LANGUAGES.items()}


def code_of(name: str) -> str | None:
    """Return the ISO code for a name as the model writes it; None if it names no language."""
    return _CODES.get(name.partition(",")[0].strip().lower())

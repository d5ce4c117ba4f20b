"""A text as a person reads it aloud: lines and pauses, without the marks that are meant for the eye. Pure."""

from speechhub.speakable.lines import Line, has_words
from speechhub.speakable.reading import Normalization, is_plain, read

__all__ = ["Line", "Normalization", "has_words", "is_plain", "read"]

"""Turns a text into the lines and pauses that a person would read aloud, without its visual marks. Pure."""

from speechhub.speakable.lines import Line, has_words
from speechhub.speakable.reading import Normalization, is_plain, read

__all__ = ["Line", "Normalization", "has_words", "is_plain", "read"]

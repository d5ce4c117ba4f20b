"""Transcript of the artificial full-size Qwen3-ASR for any recording: as many words as people say in 5 s."""

from itertools import islice, product
from typing import Final

WORDS: Final = tuple("".join(pair) for pair in islice(product("zxqvkjwyhb", repeat=2), 16))
"""No two letters of them meet in a word that the model's own prompt has. More would make warm-ups long."""

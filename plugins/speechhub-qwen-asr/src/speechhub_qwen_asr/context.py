"""The context: prompt and keywords for the model, and texts in which it only repeats them. Pure."""

import re
from collections.abc import Sequence
from typing import Final

MAX_CHARS: Final = 4_000
"""Longest context. The model takes more, but each token costs memory in every clip of a batch."""
_SPECIAL: Final = re.compile(r"<\|[^|<>]*\|>|</?asr_text>|<timestamp>")


def make_context(prompt: str | None, hotwords: Sequence[str]) -> str:
    """Return the context: keywords first, then as much of the end of the prompt as fits."""
    # A client's JSON may contain half a surrogate pair, and "<|im_end|>" would be a command.
    parts = [_plain(", ".join(hotwords))[:MAX_CHARS], _plain(prompt or "")]
    room = MAX_CHARS - len(parts[0])
    parts[1] = parts[1][-room:] if room else ""
    return "\n".join(part.strip() for part in parts if part.strip())


def echoes(text: str, context: str) -> bool:
    """Tell whether *text* looks copied from the context: two or more words, in the same order."""
    said, given = _words(text), _words(context)
    size = len(said)
    return size > 1 and any(given[at : at + size] == said for at in range(len(given) - size + 1))


def share_a_word(one: str, other: str) -> bool:
    """Tell whether two texts have a word in common."""
    return bool(set(_words(one)) & set(_words(other)))


def _plain(text: str) -> str:
    return _SPECIAL.sub(" ", text.encode("utf-8", "ignore").decode("utf-8"))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())

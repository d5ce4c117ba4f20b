"""Prompt and hotwords, made safe and short enough for Whisper's window of 448 tokens."""

from collections.abc import Sequence

from tokenizers import Tokenizer

MAX_TOKENS = 223
"""What may precede the text, in tokens; the rest of the window is for the text. Source: openai/whisper."""
MAX_HOTWORD_TOKENS = 100
"""The part of it that hotwords may take."""


def fit_prompt(
    tokenizer: Tokenizer, prompt: str | None, hotwords: Sequence[str]
) -> tuple[str | None, str | None]:
    """Return prompt and hotwords as faster-whisper takes them, shortened to what fits.

    Of a prompt the end is kept, as OpenAI's API does; of hotwords the beginning.
    """
    tokenizer.encode_special_tokens = True  # "<|endoftext|>" in a prompt is text, not a command
    hot_ids = _encode(tokenizer, ", ".join(hotwords))[:MAX_HOTWORD_TOKENS]
    ids = _encode(tokenizer, prompt or "")[-(MAX_TOKENS - len(hot_ids)) :]
    return tokenizer.decode(ids).strip() or None, tokenizer.decode(hot_ids).strip() or None


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    # Half a surrogate pair can come out of a client's JSON; there is no UTF-8 for it.
    text = text.encode("utf-8", "ignore").decode("utf-8").strip()
    return list(tokenizer.encode(f" {text}", add_special_tokens=False).ids) if text else []

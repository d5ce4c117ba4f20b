"""Prompt and hotwords, made safe and short enough for Whisper's context of 448 tokens."""

from collections.abc import Sequence

from tokenizers import Tokenizer

MAX_TOKENS = 223
"""Most tokens before the text; the rest of the context is for the text. Source: openai/whisper."""
MAX_HOTWORD_TOKENS = 100
"""Most of those tokens that hotwords may take."""


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
    # A client's JSON may contain half a surrogate pair, which UTF-8 cannot encode.
    text = text.encode("utf-8", "ignore").decode("utf-8").strip()
    return list(tokenizer.encode(f" {text}", add_special_tokens=False).ids) if text else []

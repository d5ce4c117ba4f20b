"""A tokenizer in the layout of Qwen3-ASR's, with the real ids of the special tokens, made on the spot."""

import json
from pathlib import Path

# Ids of the published checkpoints. generate() in qwen-asr hard-codes eos = [151645, 151643], so a
# vocabulary without these ids can never stop early; they are kept, in a sparse vocab.json.
REAL_IDS = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|audio_start|>": 151669,
    "<|audio_end|>": 151670,
    "<|audio_pad|>": 151676,
    "<asr_text>": 151704,
    "<timestamp>": 151705,
}
NOT_SPECIAL = {"<asr_text>"}  # must survive skip_special_tokens=True: parse_asr_output() looks for it
VOCAB_ROWS = 151936

CHAT_TEMPLATE = (  # newlines only inside {{ }}: "{%-" would eat a bare one, and the model needs the last
    "{%- set ns = namespace(sys='') -%}"
    "{%- for m in messages if m.role == 'system' -%}"
    "{%- if m.content is string -%}{%- set ns.sys = ns.sys + m.content -%}{%- endif -%}"
    "{%- endfor -%}"
    "{{ '<|im_start|>system\n' + ns.sys + '<|im_end|>\n<|im_start|>user\n' }}"
    "{%- for m in messages if m.role == 'user' -%}{%- for c in m.content if c.type == 'audio' -%}"
    "{{ '<|audio_start|><|audio_pad|><|audio_end|>' }}"
    "{%- endfor -%}{%- endfor -%}"
    "{{ '<|im_end|>\n' }}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)


def _byte_alphabet() -> dict[int, str]:
    """GPT-2 style byte -> printable character map (the one byte-level BPE uses)."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def write_tokenizer(out: Path, words: list[str]) -> int:
    """Byte-level BPE that knows every byte, plus one merged token per entry of `words`.

    Returns how many low ids are in use (bytes, merges); the special tokens sit at their real, high ids.
    """
    table = _byte_alphabet()
    vocab = {ch: i for i, ch in enumerate(table[b] for b in range(256))}
    merges: list[str] = []
    for word in words:
        parts = [table[b] for b in word.encode()]
        acc = parts[0]
        for nxt in parts[1:]:
            pair = f"{acc} {nxt}"
            if pair not in merges:
                merges.append(pair)
            acc += nxt
            vocab.setdefault(acc, len(vocab))
    low = len(vocab)
    vocab.update(REAL_IDS)
    # Fill the gap: with holes in the ids the tokenizers library prints all of them (1 MB) at every load.
    used = set(vocab.values())
    vocab.update((f"\u2400{i}", i) for i in range(max(used)) if i not in used)
    (out / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    added = {
        str(i): {
            "content": t,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "single_word": False,
            "special": t not in NOT_SPECIAL,
        }
        for t, i in REAL_IDS.items()
    }
    (out / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "Qwen2Tokenizer",
                "processor_class": "Qwen3ASRProcessor",
                "added_tokens_decoder": added,
                "bos_token": None,
                "eos_token": "<|im_end|>",
                "pad_token": "<|endoftext|>",
                "unk_token": None,
                # the processor reads tokenizer.audio_token / audio_bos_token / audio_eos_token
                "extra_special_tokens": {
                    "audio_token": "<|audio_pad|>",
                    "audio_bos_token": "<|audio_start|>",
                    "audio_eos_token": "<|audio_end|>",
                },
                "add_prefix_space": False,
                "clean_up_tokenization_spaces": False,
                "errors": "replace",
                "model_max_length": 131072,
            },
            indent=1,
        ),
        encoding="utf-8",
    )
    (out / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}), encoding="utf-8")
    (out / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "feature_extractor_type": "WhisperFeatureExtractor",
                "processor_class": "Qwen3ASRProcessor",
                "feature_size": 128,
                "sampling_rate": 16000,
                "hop_length": 160,
                "n_fft": 400,
                "chunk_length": 30,
                "n_samples": 480000,
                "nb_max_frames": 3000,
                "padding_side": "right",
                "padding_value": 0.0,
                "return_attention_mask": True,
                "dither": 0.0,
            },
            indent=1,
        ),
        encoding="utf-8",
    )
    return low

"""Writes a checkpoint of Qwen3-ASR-0.6B and its aligner, with made-up weights that always say `TEXT`.

Run in an environment of the engine: ``python write_qwen_asr.py FOLDER DEVICE SIZE``; SIZE is full or tiny.
"""

import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins" / "speechhub-qwen-asr"), str(ROOT / "scripts")]

import torch  # noqa: E402 - the path comes first
from tests.tiny_checkpoint import build_aligner, build_script, tiny_config  # type: ignore[import-not-found]  # noqa: E402

from gpu_check.words import WORDS  # noqa: E402

TEXT_MODEL: Final[dict[str, Any]] = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rope_scaling": {
        "rope_type": "default",
        "mrope_section": [24, 20, 20],
        "interleaved": True,
        "mrope_interleaved": True,
    },
}
"""Of the published 0.6B, which has no head of its own (here it is 0.31 GB more), and of its aligner."""


def encoder(width: int, layers: int, heads: int) -> dict[str, Any]:
    """Return the published audio encoder's dimensions."""
    return {
        "d_model": width,
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "downsample_hidden_size": 480,
        "output_dim": 1024,
    }


def main(folder: Path, device: str, size: str) -> None:
    """Write both."""
    if size == "tiny":
        build_script(folder)
        build_aligner(folder / "aligner")
        return
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        config = tiny_config(1024, tie=False, audio=encoder(896, 18, 14), text=TEXT_MODEL)
        build_script(folder, text_tokens=tuple(f" {word}" for word in WORDS), config=config)
        aligner = tiny_config(
            1024, tie=False, aligner_classes=5000, audio=encoder(1024, 24, 16), text=TEXT_MODEL
        )
        build_aligner(folder / "aligner", config=aligner, dtype=torch.bfloat16)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

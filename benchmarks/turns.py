"""Compares turns with a standby worker to cold ones, with PyTorch engines at full size.

    scripts/check_gpu --device cuda:0 --only turns      # on a card
    .venv/bin/python benchmarks/turns.py [--rounds 3] [--python qwen-asr=… --python indextts=…]

Without a card, it simulates one: what would go to the card is really copied into memory of its own, and the
warm-up is left out of both kinds of turn, because a CPU takes longer for it than a card takes for everything.
The files are in the page cache, except in one more cold turn of each model.
"""

import os
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the GPU check's own step."""
    words = ["--device", "cpu", "--models", "qwen3-asr-0.6b,indextts-2", "--only", "turns", "--drop-cache"]
    program = str(ROOT / "scripts" / "check_gpu")
    os.execv(program, [program, *words, *sys.argv[1:]])


if __name__ == "__main__":
    main()

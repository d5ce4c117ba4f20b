"""A process that is none of ours and takes memory of the card: as many bytes as each line of its input says.

``python stranger.py DEVICE``; it answers ``ok``, or why not. Nothing but a CUDA context is 0.
"""

import os
import sys
from pathlib import Path


def main(device: str) -> None:
    """Take and give until the input ends."""
    pretended = os.environ.get("PRETENDED_CARD")
    for line in sys.stdin:
        size = int(line)
        if pretended:
            _pretend(Path(pretended), size)
            print("ok", flush=True)
            continue
        import torch  # noqa: PLC0415  # not for a card that is pretended

        _kept.clear()
        torch.cuda.empty_cache()
        try:
            _kept.append(torch.empty(max(size, 1), dtype=torch.uint8, device=device))
            torch.cuda.synchronize(device)
        except Exception as error:  # noqa: BLE001  # who asked is told
            print((str(error) or type(error).__name__).splitlines()[0], flush=True)
        else:
            print("ok", flush=True)


_kept: list[object] = []


def _pretend(folder: Path, size: int) -> None:
    file = folder / str(os.getpid())
    new = file.with_suffix(".new")
    new.write_text(str(300_000_000 + size))
    new.replace(file)


if __name__ == "__main__":
    main(sys.argv[1])

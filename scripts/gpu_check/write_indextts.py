"""Writes a checkpoint of IndexTTS-2 or 2.5 with all that they take from elsewhere, with made-up weights.

Run in an environment of the engine: ``python write_indextts.py FOLDER DEVICE SIZE MODEL``; SIZE is full or
tiny. What it says is noise, and each segment has so many codes.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
# NeMo's wheel brings a package "tests" of its own.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(ROOT / "plugins" / "speechhub-indextts" / "tests")]
sys.path.append(str(ROOT))

import torch  # noqa: E402 - the path comes first

from speechhub_indextts.checkpoint import Generation  # noqa: E402
from speechhub_indextts.packages import quiet  # noqa: E402
from tests import tiny_checkpoint  # noqa: E402

CODES: Final = 120
"""Of a segment at full size: 2.4 s of IndexTTS-2's, 4.8 s of 2.5's."""


def main(folder: Path, device: str, size: str, model: str) -> None:
    """Write the checkpoint, and what it shares with the other one beside it."""
    newer = model.endswith("2.5")
    shared = folder.with_name("shared")
    how: dict[str, Any] = {}
    larger: dict[str, int] = {}
    with quiet(), torch.device(device):
        if size == "full":
            from benchmarks import indextts_memory as published  # noqa: PLC0415  # it needs the packages

            whole = published.config_of(Generation.V25 if newer else Generation.V2)
            how["config"] = merged(tiny_checkpoint.tiny_config(newer=newer), whole)
            how |= {"bigvgan": tiny_checkpoint.BIGVGAN | published.BIGVGAN, "codes": CODES}
            larger = {"intermediate_size": 4096, "conv_depthwise_kernel_size": 31}
        if not (shared / "written").exists():
            tiny_checkpoint.build_shared(shared, **larger)
            (shared / "written").touch()
        (tiny_checkpoint.build_25 if newer else tiny_checkpoint.build_2)(folder, shared, **how)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return *below* with all that *above* says, section by section."""
    return below | {
        name: merged(below[name], it) if isinstance(it, dict) and name in below else it
        for name, it in above.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])

"""Run scripts/check_gpu with two engines in turn, in the environments that nox made for their tests.

On a pretended card, with tiny models; the engines' own tests run it with one engine. Exit code 77 where an
environment lacks PyTorch, as on a Python for which this machine has no build of it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINES: Final = ("qwen-asr", "indextts")
MODELS: Final = "qwen3-asr-0.6b,indextts-2"
CANNOT_TRY: Final = 77
"""Exit code. Source: Automake's tests."""


def main() -> int:
    """Run it; return the exit code."""
    pythons = {name: ROOT / f".nox/plugin-dist-speechhub-{name}/bin/python" for name in ENGINES}
    for name, python in pythons.items():
        if not _has_torch(python):
            print(f"skipped: there is no PyTorch for {name} here ({python.relative_to(ROOT)})")
            return CANNOT_TRY
    words = ["--device", "cpu", "--tiny", "--models", MODELS]
    words += [word for name, python in pythons.items() for word in ("--python", f"{name}={python}")]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(ROOT / "scripts" / "check_gpu"), *words, "--report", f"{folder}/gpu-report.json"],
            env=os.environ | {"PYTHON": sys.executable, "SPEECHHUB_HOME": f"{folder}/home"},
            check=False,
        )
    return done.returncode


def _has_torch(python: Path) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    try:
        return subprocess.run([str(python), "-c", code], check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())

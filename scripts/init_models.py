"""Put models in place and prove that they are whole, from Python: the same as two commands.

    .venv/bin/python scripts/init_models.py                    Qwen3-ASR-0.6B, its aligner, and IndexTTS2
    .venv/bin/python scripts/init_models.py --defaults         the default models of this machine
    .venv/bin/python scripts/init_models.py whisper-base ...   these
    .venv/bin/python scripts/init_models.py qwen3-asr-0.6b --with aligner

`speechhub models pull` fetches what is not there, and `speechhub models verify` reads everything again.
The engines of the models need not be installed.
"""

import argparse
import subprocess
import sys

MODELS = ("qwen3-asr-0.6b", "indextts-2")
"""What a machine with a small GPU serves."""
PARTS = ("aligner",)
"""What is fetched with them."""
DEFAULTS = ("whisper-1", "tts-1")
"""Names that mean the default of each task, whatever engines are installed."""


def main(arguments: list[str]) -> int:
    """Pull and verify models; return the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(description="Put models in place and prove that they are whole.")
    parser.add_argument("names", nargs="*", metavar="MODEL")
    parser.add_argument("--defaults", action="store_true", help="the default models of this machine")
    parser.add_argument("--with", action="append", default=[], metavar="PART", dest="parts")
    parser.add_argument("--accept-license", action="store_true", help="accept the licences of the weights")
    wanted = parser.parse_args(arguments)
    names = [*wanted.names, *(DEFAULTS if wanted.defaults else ())]
    parts = wanted.parts
    if not names:
        names, parts = list(MODELS), [*PARTS, *parts]
    options = [f"--with={part}" for part in parts]
    options += ["--accept-license"] if wanted.accept_license else []
    for command in (["pull", *options], ["verify"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "speechhub", "models", *command, *names], check=False
        )
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

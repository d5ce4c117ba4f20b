"""Put models in place and prove that they are whole, from Python: the same as two commands.

    .venv/bin/python scripts/init_models.py                    the two default models of this machine
    .venv/bin/python scripts/init_models.py whisper-base ...   these
    .venv/bin/python scripts/init_models.py qwen3-asr-0.6b --with aligner

`speechhub models pull` fetches what is not there, and `speechhub models verify` reads everything again.
"""

import argparse
import subprocess
import sys

DEFAULTS = ("whisper-1", "tts-1")
"""Names that mean the default of each task, whatever engines are installed."""


def main(arguments: list[str]) -> int:
    """Pull and verify models; return the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(description="Put models in place and prove that they are whole.")
    parser.add_argument("names", nargs="*", default=DEFAULTS, metavar="MODEL")
    parser.add_argument("--with", action="append", default=[], metavar="PART", dest="parts")
    wanted = parser.parse_args(arguments)
    parts = [f"--with={part}" for part in wanted.parts]
    for command in (["pull", *parts], ["verify"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "speechhub", "models", *command, *wanted.names], check=False
        )
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

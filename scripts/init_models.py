"""Put models in place and prove that they are whole, from Python: the same as two commands.

    .venv/bin/python scripts/init_models.py                    the two default models of this machine
    .venv/bin/python scripts/init_models.py whisper-base ...   these

`speechhub models pull` fetches what is not there, and `speechhub models verify` reads everything again.
"""

import subprocess
import sys

DEFAULTS = ("whisper-1", "tts-1")
"""Names that mean the default of each task, whatever engines are installed."""


def main(names: list[str]) -> int:
    """Pull and verify *names*; return the exit code of the first command that fails."""
    for command in ("pull", "verify"):
        done = subprocess.run(
            [sys.executable, "-m", "speechhub", "models", command, *(names or DEFAULTS)], check=False
        )
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

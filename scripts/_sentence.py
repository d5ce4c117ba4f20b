"""Speaks a sentence and transcribes it, with the CPU engines of an environment."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

SENTENCE = "Every good boy deserves a quiet morning in the garden."
LIMIT_S = 300
MISTAKES = 2
"""Words that may be heard wrong: the check is for speech that crosses the whole program, not for quality."""


def speak_and_hear(python: Path, log: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the transcript is the sentence; the output goes to *log*."""
    program = str(python.with_name("speechhub"))
    told = ""
    with tempfile.TemporaryDirectory() as folder:
        recording = str(Path(folder) / "sentence.wav")
        for words in (["speak", SENTENCE, "-o", recording], ["transcribe", recording]):
            try:
                done = subprocess.run(
                    [program, *words],
                    env=dict(environ),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                log.write(f"speechhub {words[0]}: no answer within {LIMIT_S} s\n")
                return False
            log.write(f"speechhub {words[0]}: {done.stdout.strip()} {done.stderr.strip()}\n")
            if done.returncode:
                return False
            told = done.stdout
    heard = set(re.findall(r"\w+", told.lower()))
    missed = [word for word in re.findall(r"\w+", SENTENCE.lower()) if word not in heard]
    return len(missed) <= MISTAKES

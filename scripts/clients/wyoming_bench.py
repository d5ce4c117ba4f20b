"""wyoming-bench, a benchmark of servers for Wyoming, against the server's own Wyoming port.

Its exit status is 0 as soon as one run succeeded, so what it prints is read as well.
"""

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from calls import call, check

ADDRESS = os.environ["CLIENTS_WYOMING"]
ROUNDS = 3
MODES = ("non_streaming", "streaming")
TEXTS = 4
"""How many texts of its own it speaks and writes into a corpus."""
LIMIT_S = 40


async def bench(command: str, *options: str) -> str:
    """Return what a command of wyoming-bench prints.

    Raises:
        UnexpectedAnswerError: It ended with another status than 0, or reports a run that failed.
    """
    program = Path(sys.executable).parent / "wyoming-bench"
    process = await asyncio.create_subprocess_exec(
        *(str(program), command, ADDRESS, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = output.decode()
    check(process.returncode == 0, f"exit {process.returncode}: {told[-150:]}")
    failed = re.findall(r"^.*(?:\bFAIL\b|\[fail\]|unreachable|skipping).*$", told, re.MULTILINE)
    check(not failed, failed)
    return told


def check_counts(told: str) -> None:
    """Refuse a report in which not every run of a mode succeeded."""
    counts = re.findall(r"^\[(\w+)\] ok=(\d+) fail=(\d+)$", told, re.MULTILINE)
    wanted = [(mode, str(ROUNDS * TEXTS), "0") for mode in MODES]
    check(sorted(counts) == wanted, counts)


def recordings(corpus: str) -> int:
    """Return how many recordings a corpus has."""
    return len(list(Path(corpus).glob("*.wav")))


async def main() -> None:
    """Call everything."""
    with call("wyoming-bench info"):
        told = await bench("info")
        programs = re.findall(
            r"^ +(asr|tts) +\S.* \((?:transcript|synthesize) streaming\)$", told, re.MULTILINE
        )
        check(programs == ["asr", "tts"], told)
        check("[n/a]" not in told, told)  # each model and each voice has a language
    with call("wyoming-bench tts, both modes"):
        check_counts(await bench("tts", "--rounds", str(ROUNDS), "--verbose"))
    with tempfile.TemporaryDirectory() as corpus:
        for mode in MODES:
            with call(f"wyoming-bench generate-corpus, {mode}"):
                await bench("generate-corpus", "--out", corpus, "--mode", mode, "--overwrite")
                check(recordings(corpus) == TEXTS, recordings(corpus))
        with call("wyoming-bench stt, both modes"):
            told = await bench("stt", "--corpus", corpus, "--rounds", str(ROUNDS), "--verbose")
            check_counts(told)


if __name__ == "__main__":
    asyncio.run(main())

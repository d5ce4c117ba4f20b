"""Servers that the hub's port is compared with, each in an environment and a process of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from _conformance import installed  # the path comes first
from check_pythons import find

from tests.e2e.server import free_port, until

PIPER, FASTER_WHISPER = "wyoming-piper==2.5.2", "wyoming-faster-whisper==3.8.1"
BRIDGE = "wyoming-openai==0.8.0"
BRIDGE_PYTHONS = ("3.12", "3.13", "3.14")
START_S = 120.0
SENTENCE_SILENCE_S = 0.2
"""Pause between sentences: speechhub-piper's, which wyoming-piper does not have unless it is told."""
VAD = {"--vad-threshold": "0.35", "--vad-min-speech-ms": "0", "--vad-min-silence-ms": "160"}
"""How speechhub-whisper finds speech. It keeps 200 ms around it; wyoming-faster-whisper keeps 400, and has no
option for that."""


def answers(port: int) -> bool:
    """Return whether a server listens at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def running(python: Path, module: str, *options: str) -> Iterator[int]:
    """Run a peer until the block ends; yield its port."""
    port = free_port()
    command = [str(python), "-m", module, "--uri", f"tcp://127.0.0.1:{port}", *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ | {"HF_HUB_OFFLINE": "1"}
    )
    try:
        until(lambda: process.poll() is not None or answers(port), f"{module} listens", START_S)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield port
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def piper(voice: Path) -> Iterator[int]:
    """Run wyoming-piper on a voice, with speechhub-piper's pause between sentences, and without noise."""
    python = installed("wyoming-piper", [[PIPER]])
    with running(
        python,
        "wyoming_piper",
        *("--voice", str(voice), "--data-dir", str(voice.parent)),
        *("--sentence-silence", str(SENTENCE_SILENCE_S), "--noise-scale", "0", "--noise-w-scale", "0"),
    ) as port:
        yield port


@contextmanager
def faster_whisper(weights: Path, *, vad: bool) -> Iterator[int]:
    """Run wyoming-faster-whisper on a model's folder, with speechhub-whisper's arithmetic and beam.

    Args:
        weights: The folder.
        vad: Whether it leaves out what is not speech.
    """
    python = installed("wyoming-faster-whisper", [[FASTER_WHISPER]])
    threads = len(os.sched_getaffinity(0))
    with running(
        python,
        "wyoming_faster_whisper",
        *("--model", str(weights), "--data-dir", str(weights), "--local-files-only"),
        *("--stt-library", "faster-whisper", "--compute-type", "int8", "--beam-size", "5"),
        *("--cpu-threads", str(threads)),
        *(["--vad-filter", *(word for option in VAD.items() for word in option)] if vad else []),
    ) as port:
        yield port


@contextmanager
def bridge(url: str, *, stt: str, tts: str, voice: str) -> Iterator[int | None]:
    """Run wyoming-openai in front of a hub; yield None where this machine has no Python for it."""
    base = next(filter(None, map(find, BRIDGE_PYTHONS)), None)
    if base is None:
        print(f"wyoming-openai needs Python {BRIDGE_PYTHONS[0]} or newer: left out", flush=True)
        yield None
        return
    python = installed("wyoming-openai", [[BRIDGE]], base=base)
    with running(
        python,
        "wyoming_openai",
        *("--stt-openai-url", f"{url}/v1", "--stt-openai-key", "none", "--stt-models", stt),
        *("--tts-openai-url", f"{url}/v1", "--tts-openai-key", "none", "--tts-models", tts),
        *("--tts-voices", voice, "--tts-streaming-models", tts, "--languages", "en"),
        *("--stt-backend", "OPENAI", "--tts-backend", "OPENAI", "--log-level", "ERROR"),
    ) as port:
        yield port

"""A real server on the echo engines, and a shell that finds it under the address that the pages name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import serving
from tests.unit.codecs.recordings import film

ALIASES = {"whisper-base": "echo-stt", "piper-en-us-joe": "echo-tts"}
"""Models that the pages name, and what stands for them here."""
ENVIRONMENT = {
    "SPEECHHUB_STT_MODEL": "echo-stt",
    "SPEECHHUB_TTS_MODEL": "echo-tts",
    "SPEECHHUB_ALIASES": json.dumps(ALIASES),
}
BLOCK_LIMIT_S = 120


class Shell:
    """Runs what pages show, in a folder of its own, against the server."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self.folder = folder
        folder.mkdir()
        (folder / ".venv").symlink_to(sys.prefix)  # as in a clone, after scripts/serve
        tools = folder / "bin"
        tools.mkdir()
        # Without --fail, curl is content with any answer.
        curl = tools / "curl"
        curl.write_text(f'#!/bin/sh\nexec {shutil.which("curl")} --fail-with-body -sS "$@"\n')
        curl.chmod(0o755)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPEECHHUB_", "OPENAI_"))}
        path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), clean["PATH"]])
        self._env = clean | ENVIRONMENT | {"SPEECHHUB_HOME": str(folder / "home"), "PATH": path}

    def bash(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run shell commands; the first that fails ends them."""
        return self._run(["bash", "-euo", "pipefail", "-c", self._here(code)])

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a program."""
        return self._run([sys.executable, "-c", self._here(code)])

    def _here(self, code: str) -> str:
        return code.replace("http://127.0.0.1:8000", self._url)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=BLOCK_LIMIT_S,
            check=False,
        )


@pytest.fixture(scope="session")
def server_url(tmp_path_factory):
    """Serve the echo engines while the pages are read."""
    with serving(tmp_path_factory.mktemp("home"), **ENVIRONMENT) as server:
        yield server.url


@pytest.fixture
def shell(server_url, tmp_path):
    """Give a folder that holds a recording, speech.mp3, and film.mkv, which has two languages."""
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    made = Shell(server_url, tmp_path / "reader")
    recording = made.bash(
        "curl http://127.0.0.1:8000/v1/audio/speech -H 'Content-Type: application/json' -o speech.mp3 "
        """-d '{"model": "tts-1", "input": "One two three four five six.", "response_format": "mp3"}'"""
    )
    assert recording.returncode == 0, recording.stderr
    (made.folder / "film.mkv").write_bytes(film("matroska", {"language": "eng"}, {"language": "ger"}))
    return made

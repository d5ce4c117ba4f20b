"""Run the tests that openai-python's authors generate from OpenAI's specification against this server.

    .venv/bin/python scripts/check_openai_python.py              starts a server on the echo engines
    .venv/bin/python scripts/check_openai_python.py URL          uses the one at URL, whatever its engines
    .venv/bin/python scripts/check_openai_python.py URL --audio speech.wav

The tests come with the package's source; they normally run against a mock. What they send is not quite what
OpenAI takes: SUBSTITUTIONS says what is changed and why, DESELECTED what is left out. Needs PyPI, once.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from _conformance import environment, recording, server, source_of

VERSION = "3.54.0"
"""Of openai-python; raised by hand, because what its tests send has to be looked at."""

TESTS = tuple(
    f"tests/api_resources/{name}.py"
    for name in ("audio/test_transcriptions", "audio/test_translations", "audio/test_speech", "test_models")
)
"""Voices, voice consents and client secrets follow with the routes. Speech never leaves the client here."""

SUBSTITUTIONS = {
    # No server that listens takes these 12 bytes for audio. Not open(): an unclosed file fails the test.
    'b"Example data"': '__import__("pathlib").Path(os.environ["AUDIO"]).read_bytes()',
    # Not languages; OpenAI refuses them too.
    'language="language"': 'language="en"',
    'languages=["string"]': 'languages=["en"]',
    # Word times need verbose_json; OpenAI refuses the pair too.
    '            response_format="json",\n            stream=False,': (
        '            response_format="verbose_json",\n            stream=False,'
    ),
    'prompt="prompt",\n            response_format="json",': (
        'prompt="prompt",\n            response_format="verbose_json",'
    ),
    # For models that tell speakers apart, or report probabilities: no engine here does.
    '            include=["logprobs"],\n': "",
    '            known_speaker_names=["string"],\n': "",
    '            known_speaker_references=["string"],\n': "",
}
"""In the tests of transcriptions: text → what stands there instead. Each must be found."""

DESELECTED = "not (test_models and delete and not path_params)"
"""Deleting answers 403: models belong to the operator. tests/e2e/test_conformance.py tests that."""

ALIASES = {"gpt-6-astra": "echo-stt"}
"""The model that the tests of models ask for."""

LIMIT_S = 600


def main() -> int:
    """Run the tests; return pytest's exit code."""
    parser = argparse.ArgumentParser(description="Run openai-python's generated tests against a server.")
    parser.add_argument("url", nargs="?", help="of a running server; without it, one is started")
    parser.add_argument("--audio", type=Path, help="the recording to send; without it, a tone")
    arguments = parser.parse_args()
    requirements = (f"openai[aiohttp,realtime]=={VERSION}", "pytest>=9", "pytest-asyncio>=1.4", "rich")
    python = environment("openai-python", *requirements)
    with tempfile.TemporaryDirectory() as name, server(ALIASES, url=arguments.url) as url:
        tests = unpack(Path(name))
        audio = tests / "audio.wav"
        audio.write_bytes(arguments.audio.read_bytes() if arguments.audio else recording())
        return run(python, tests, {"TEST_API_BASE_URL": f"{url}/v1", "AUDIO": str(audio)})


def unpack(folder: Path) -> Path:
    """Unpack the tests into *folder* and change what they send."""
    with tarfile.open(source_of("openai", VERSION)) as archive:
        archive.extractall(folder, filter="data")
    tests = folder / f"openai-{VERSION}"
    for name in TESTS[:2]:
        path = tests / name
        text = path.read_text("utf-8")
        for old, new in SUBSTITUTIONS.items():
            if old not in text and name == TESTS[0]:
                sys.exit(f"{name} of openai-python {VERSION} no longer has {old!r}: look at SUBSTITUTIONS")
            if name == TESTS[0] or "Example data" in old:
                text = text.replace(old, new)
        path.write_text(text, "utf-8")
    return tests


def run(python: Path, tests: Path, environ: dict[str, str]) -> int:
    """Run pytest in the folder *tests*, with its own configuration but in one process."""
    reports = os.environ.get("TEST_REPORTS")
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--tb=short"]  # theirs need pytest-xdist
    options += [f"--junit-xml={reports}/openai-python.xml"] if reports else []
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "PYTHON"))}
    command = [str(python), "-m", "pytest", *options, "-k", DESELECTED, *TESTS]
    return subprocess.run(command, cwd=tests, env=clean | environ, check=False, timeout=LIMIT_S).returncode


if __name__ == "__main__":
    sys.exit(main())

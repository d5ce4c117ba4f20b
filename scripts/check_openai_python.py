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
from collections.abc import Mapping
from pathlib import Path

from _conformance import environment, recording, server, source_of

VERSION = "3.57.0"
"""Of openai-python; raised by hand, because what its tests send has to be looked at."""

TESTS = tuple(
    f"tests/api_resources/{name}.py"
    for name in (
        *("audio/test_transcriptions", "audio/test_translations", "audio/test_speech", "test_models"),
        *("audio/test_voices", "audio/test_voice_consents", "realtime/test_client_secrets"),
    )
)
"""Speech never leaves the client here. What the client tests of its sockets, it tests against servers of its
own; scripts/clients/openai_python_realtime.py asks this one."""

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

VOICE_SUBSTITUTIONS = {
    'b"Example data"': SUBSTITUTIONS['b"Example data"'],
    'language="language"': 'language="en"',
    # What the mock does not look for has to be there.
    'consent="consent"': 'consent=__import__("made").consent()',
    '"consent_id",': '__import__("made").consent(),',
    'after="after"': 'after=__import__("made").consent()',
    '"voice_id",': '__import__("made").voice(),',
    # OpenAI's description says 1 to 100.
    "limit=0": "limit=1",
    # Each is a new consent's voice, and names are unique here.
    'name="x"': "name=os.urandom(8).hex()",
}
"""The same in the tests of voices and of voice consents."""

SECRET_SUBSTITUTIONS = {
    '"language": "language"': '"language": "en"',
    '"languages": ["string"]': '"languages": ["en"]',
    # Utterances would end at once; 50 is the least.
    '"silence_duration_ms": 0': '"silence_duration_ms": 500',
    # No engine here writes.
    '"output_modalities": ["text"]': '"output_modalities": ["audio"]',
}
"""The same in the tests of client secrets."""

MADE = """
import os
from pathlib import Path
from openai import OpenAI

AUDIO = Path(os.environ["AUDIO"]).read_bytes()

def consent():
    with OpenAI(base_url=os.environ["TEST_API_BASE_URL"], api_key="any") as client:
        return client.audio.voice_consents.create(name="made", language="en", recording=AUDIO).id

def voice():
    with OpenAI(base_url=os.environ["TEST_API_BASE_URL"], api_key="any") as client:
        name, agreed = os.urandom(8).hex(), consent()
        return client.audio.voices.create(name=name, audio_sample=AUDIO, consent=agreed).id
"""
"""A module beside the tests that makes what they ask for."""

DESELECTED = "not (test_models and delete and not path_params) and not (test_voices and overload_2)"
"""Deleting answers 403: models belong to the operator. tests/e2e/test_conformance.py tests that. The second
kind of custom voice is made from a text, which no engine here does."""

ALIASES = {"gpt-6-astra": "echo-stt"}
"""The model that the tests of models ask for."""

LIMIT_S = 600


def main() -> int:
    """Run the tests; return pytest's exit code."""
    parser = argparse.ArgumentParser(description="Run openai-python's generated tests against a server.")
    parser.add_argument("url", nargs="?", help="of a running server; without it, one is started")
    parser.add_argument("--audio", type=Path, help="the recording to send; without it, a tone")
    arguments = parser.parse_args()
    python = environment("openai-python")
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
    only_audio = {old: new for old, new in SUBSTITUTIONS.items() if "Example data" in old}
    substitute([tests / TESTS[0]], SUBSTITUTIONS)
    substitute([tests / TESTS[1]], only_audio)
    substitute([tests / TESTS[4], tests / TESTS[5]], VOICE_SUBSTITUTIONS)
    substitute([tests / TESTS[6]], SECRET_SUBSTITUTIONS)
    (tests / "made.py").write_text(MADE, "utf-8")
    return tests


def substitute(paths: list[Path], substitutions: Mapping[str, str]) -> None:
    """Change texts in files; each text must be in one of them."""
    texts = {path: path.read_text("utf-8") for path in paths}
    for old, new in substitutions.items():
        if not any(old in text for text in texts.values()):
            sys.exit(
                f"openai-python {VERSION} no longer has {old!r} in {paths[0].name}: look at SUBSTITUTIONS"
            )
        texts = {path: text.replace(old, new) for path, text in texts.items()}
    for path, text in texts.items():
        path.write_text(text, "utf-8")


def run(python: Path, tests: Path, environ: dict[str, str]) -> int:
    """Run pytest in the folder *tests*, with its own configuration but in one process."""
    reports = os.environ.get("TEST_REPORTS")
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--tb=short"]  # theirs need pytest-xdist
    options += [f"--junit-xml={reports}/openai-python.xml"] if reports else []
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "PYTHON"))}
    clean["PYTHONPATH"] = str(tests)  # for made.py
    command = [str(python), "-m", "pytest", *options, "-k", DESELECTED, *TESTS]
    return subprocess.run(command, cwd=tests, env=clean | environ, check=False, timeout=LIMIT_S).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Run the official client for JavaScript against this server: our own tests, and the ones of its authors.

    .venv/bin/python scripts/check_openai_node.py                       tests/e2e/node, on the echo engines
    .venv/bin/python scripts/check_openai_node.py --tests OPENAI_NODE   also those in a clone of openai-node
    .venv/bin/python scripts/check_openai_node.py --url URL --audio speech.wav

openai-node's tests are in its repository alone, so a clone is needed, bare or not; its HEAD is tested. Takes
the Node that is there, or with --node 22.23.3 one from the npm registry. Where there is no node, no npm or
nothing for npm to reach, it says so and is content. Refusals of uploads are tried on a server of their own,
with a key and little room; with --url they are left out.

What npm installs is locked in scripts/npm, a folder for each purpose. To change one, edit its package.json
and run there: npm install --package-lock-only --omit-lockfile-registry-resolved
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import _install
from _conformance import ECHO, ROOT, VENVS, recording, server

from tests.e2e.server import serving

LOCKS = ROOT / "scripts" / "npm"
OWN_TESTS = ROOT / "tests" / "e2e" / "node"
THEIR_TESTS = (
    *(f"tests/api-resources/audio/{name}.test.ts" for name in ("transcriptions", "translations", "speech")),
    "tests/api-resources/models.test.ts",
)
VERSIONS = {22: "7.57.0", 20: "6.49.0"}
"""Oldest Node → openai, as scripts/npm locks it."""
JEST = ("jest@30", "@swc/core@1", "@swc/jest@0.2")
JEST_CONFIG = """
module.exports = {
  testEnvironment: 'node',
  testMatch: ['**/*.test.ts'],
  transform: {'^.+\\\\.(t|j)sx?$': ['@swc/jest', {}]},
};
"""

SUBSTITUTIONS = {
    "Buffer.from('Example data')": "require('node:fs').readFileSync(process.env.AUDIO!)",
    "language: 'language'": "language: 'en'",
    "languages: ['string']": "languages: ['en']",
    "timestamp_granularities: ['word']": "timestamp_granularities: ['segment']",
    "      include: ['logprobs'],\n": "",
    "      known_speaker_names: ['string'],\n": "",
    "      known_speaker_references: ['string'],\n": "",
    # Deleting answers 403; tests/e2e/node tests that.
    "test('delete'": "test.skip('delete'",
}
"""What is changed in openai-node's tests; scripts/check_openai_python.py says why."""

ALIASES = {"gpt-4o-mini": "echo-stt"}
"""The model that the tests of models ask for."""

LIMIT_S = 300
KEY = "right"
REFUSING = {"SPEECHHUB_API_KEYS": KEY, "SPEECHHUB_MAX_UPLOAD_BYTES": "10000"}
"""Settings of the server that refuses uploads, as tests/e2e/node/early.test.mjs expects it."""


def main() -> int:
    """Run the tests; return 0 if they pass, or if there is no Node."""
    parser = argparse.ArgumentParser(description="Run openai-node against a server.")
    parser.add_argument("--url", help="of a running server; without it, one is started")
    parser.add_argument("--audio", type=Path, help="the recording to send; without it, a tone")
    parser.add_argument("--tests", type=Path, help="a clone of openai-node, whose tests run too")
    locked = sorted(path.name.removeprefix("node-") for path in LOCKS.glob("node-*"))
    parser.add_argument("--node", choices=locked, help="take this version of Node from the npm registry")
    arguments = parser.parse_args()
    if not (shutil.which("node") and shutil.which("npm")):
        print("skipped: node and npm are not installed")
        return 0
    node = fetched_node(arguments.node) if arguments.node else shutil.which("node") or "node"
    major = int(re.sub(r"\D.*", "", _install.output_of(node, "--version").removeprefix("v")) or 0)
    if (oldest := max((known for known in VERSIONS if known <= major), default=None)) is None:
        print(f"skipped: Node {major} is older than {min(VERSIONS)}")
        return 0
    try:
        packages = modules(f"openai-node-{oldest}")
        if arguments.tests:
            packages = with_jest(packages)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        print("skipped: npm could not install the client, see above")
        return 0
    print(f"openai {VERSIONS[oldest]} on Node {major}", flush=True)
    with (
        tempfile.TemporaryDirectory() as name,
        server(ALIASES, url=arguments.url) as url,
        refusing(wanted=not arguments.url) as refusals,
    ):
        folder = Path(name)
        audio = folder / "audio.wav"
        audio.write_bytes(arguments.audio.read_bytes() if arguments.audio else recording())
        (folder / "node_modules").symlink_to(packages / "node_modules")
        environ = {"AUDIO": str(audio), "OPENAI_BASE_URL": f"{url}/v1", "TEST_API_BASE_URL": f"{url}/v1"}
        environ |= refusals
        code = run([node, "--test", *options(), *copies(folder)], folder, environ)
        if arguments.tests:
            unpack(arguments.tests, folder)
            program = str(packages / "node_modules" / "jest" / "bin" / "jest.js")
            code |= run([node, program, "--config", "jest.config.cjs"], folder, environ)
    return code


@contextmanager
def refusing(*, wanted: bool) -> Iterator[dict[str, str]]:
    """Serve for a while where uploads are refused; yield what tells the tests of it."""
    if not wanted:
        yield {}
        return
    with tempfile.TemporaryDirectory() as home, serving(Path(home), **ECHO, **REFUSING) as started:
        yield {"REFUSING_BASE_URL": f"{started.url}/v1", "REFUSING_KEY": KEY}


def fetched_node(version: str) -> str:
    """Return a Node from the npm registry, where it is a package like others."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}[os.uname().machine]
    return str(modules(f"node-{version}") / "node_modules" / f"node-linux-{machine}" / "bin" / "node")


def modules(name: str) -> Path:
    """Return the folder ``.venvs/NAME``, into which npm has installed what ``scripts/npm/NAME`` locks."""
    folder = VENVS / name
    stamp = folder / ".installed"
    wanted = (LOCKS / name / "package-lock.json").read_text("utf-8")
    if not (stamp.exists() and stamp.read_text("utf-8") == wanted):
        _install.say(f"installing {name} into .venvs/{name}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(LOCKS / name, folder)
        quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"]
        subprocess.run(["npm", "ci", *quiet], cwd=folder, check=True, timeout=LIMIT_S)
        stamp.write_text(wanted, "utf-8")
    return folder


def with_jest(packages: Path) -> Path:
    """Return a folder that has Jest beside what *packages* has, for tests that are run by hand alone."""
    folder = packages.with_name(f"{packages.name}-jest")
    if not (folder / ".installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(packages, folder, symlinks=True, ignore=shutil.ignore_patterns(".installed"))
        quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "install", *quiet, *JEST], cwd=folder, check=True, timeout=LIMIT_S)
        (folder / ".installed").touch()
    return folder


def copies(folder: Path) -> list[str]:
    """Copy our tests to where node finds the packages; return their names."""
    return [str(shutil.copy(str(path), str(folder))) for path in sorted(OWN_TESTS.glob("*.test.mjs"))]


def unpack(clone: Path, folder: Path) -> None:
    """Write openai-node's tests of audio and models into *folder*, and change what they send."""
    for name in THEIR_TESTS:
        show = ["git", "-C", str(clone), "show", f"HEAD:{name}"]
        text = subprocess.run(show, check=True, capture_output=True, text=True).stdout
        for old, new in SUBSTITUTIONS.items():
            text = text.replace(old, new)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "jest.config.cjs").write_text(JEST_CONFIG, "utf-8")


def options() -> list[str]:
    """Return node's options for a report that scripts/test sums up, beside the one for people."""
    options = ["--test-reporter=spec", "--test-reporter-destination=stdout"]
    if reports := os.environ.get("TEST_REPORTS"):
        options += ["--test-reporter=junit", f"--test-reporter-destination={reports}/openai-node.xml"]
    return options


def run(command: list[str], folder: Path, environ: dict[str, str]) -> int:
    """Run *command* in *folder*; return its exit code."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "NODE_"))}
    return subprocess.run(command, cwd=folder, env=clean | environ, check=False, timeout=LIMIT_S).returncode


if __name__ == "__main__":
    sys.exit(main())

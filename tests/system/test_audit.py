"""Everything that is fetched is fixed; a copy of the repository in which something is not does not pass."""

import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import _unpinned  # noqa: E402 - the path comes first
import audit  # noqa: E402

pytestmark = pytest.mark.lengthy

COPIED = (
    *("requirements", "scripts", "plugins", "src/speechhub", "deploy", ".ci"),
    *(
        "Containerfile",
        "noxfile.py",
        "compose.yaml",
        "compose.gpu.yaml",
        "compose.cdi.yaml",
        "compose.image.yaml",
    ),
)
QWEN = "plugins/speechhub-qwen-asr/src/speechhub_qwen_asr"
WHISPER = "plugins/speechhub-whisper/src/speechhub_whisper/__init__.py"
NPM = "scripts/clients/npm/openai-node/package-lock.json"


@pytest.fixture
def repository(tmp_path):
    """A copy of what the audit reads."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "tests", "node_modules")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def doctor(root, path, pattern, replacement):
    """Change a file of the copy once; the pattern must be in it."""
    text, count = re.subn(pattern, replacement, (root / path).read_text("utf-8"), count=1)
    assert count, f"{path} no longer has {pattern}"
    (root / path).write_text(text, "utf-8")


def test_the_repository_has_no_gap_without_a_reason():
    """Nor a reason without its gap."""
    assert _unpinned.problems(ROOT) == []


def test_each_reason_is_one():
    """An entry without words would excuse anything."""
    assert all(len(reason.split()) >= 5 for reason in _unpinned.ALLOWED.values())


DOCTORED = {
    "a pin without hashes": (
        "requirements/serve.txt",
        r"(click==[\d.]+) \\\n(    --hash=\S+( \\)?\n)+",
        r"\1\n",
        "requirements/serve.txt: click==",
    ),
    "a hash of another kind": (
        "requirements/uv.txt",
        r"--hash=sha256:[0-9a-f]{64}\n*$",
        "--hash=md5:d41d8cd98f00b204e9800998ecf8427e\n",
        "requirements/uv.txt: uv==",
    ),
    "a hash that is cut": (
        "requirements/test.txt",
        r"(--hash=sha256:[0-9a-f]{63})[0-9a-f]",
        r"\1",
        "requirements/test.txt: ",
    ),
    "a range instead of a version": (
        "requirements/site.txt",
        r"furo==[\d.]+",
        "furo>=2025",
        "requirements/site.txt: furo>=2025",
    ),
    "an address": (
        "requirements/release.txt",
        r"$",
        "\ntool @ https://example.org/tool.whl\n",
        "requirements/release.txt: tool @ https://example.org/tool.whl",
    ),
    "another index": (
        "requirements/serve.txt",
        r"^",
        "--extra-index-url https://example.org/simple\n",
        "requirements/serve.txt: --extra-index-url https://example.org/simple",
    ),
    "an engine's pin without hashes": (
        f"{QWEN}/engine-requirements.txt",
        r"(qwen-asr==[\d.]+) \\\n(    --hash=\S+( \\)?\n)+",
        r"\1\n",
        f"{QWEN}/engine-requirements.txt: qwen-asr==",
    ),
    "another PyTorch than the one with a reason": (
        f"{QWEN}/engine-requirements.txt",
        r"torch==\S+",
        "torch==9.9.9",
        f"{QWEN}/engine-requirements.txt: torch==9.9.9",
    ),
    "a client's pin without hashes": (
        "scripts/clients/requirements/groq.txt",
        r"(groq==[\d.]+) \\\n(    --hash=\S+( \\)?\n)+",
        r"\1\n",
        "scripts/clients/requirements/groq.txt: groq==",
    ),
    "an npm package without a checksum": (
        NPM,
        r'"integrity": "sha512-[^"]+"',
        '"license": "MIT"',
        f"{NPM}: node_modules/",
    ),
    "no hashes for what serves": (
        "scripts/_install.py",
        r'\["--require-hashes", "-r", _stamp.lock\(purpose\)\]',
        '["-r", _stamp.lock(purpose)]',
        "scripts/_install.py: install()",
    ),
    "no hashes for uv": (
        "scripts/_install.py",
        r'wanted = \["--require-hashes", ',
        "wanted = [",
        "scripts/_install.py: fetch_uv()",
    ),
    "no hashes for an environment of a script's": (
        "scripts/_conformance.py",
        r'\["--require-hashes", "-r", str\(lock\)\]',
        '["-r", str(lock)]',
        "scripts/_conformance.py: environment()",
    ),
    "no hashes in a task": (
        "noxfile.py",
        r'session.install\("--require-hashes", "-r", _stamp.lock\("site"\)\)',
        'session.install("sphinx")',
        "noxfile.py: session.install('sphinx')",
    ),
    "no hashes in the container": (
        "Containerfile",
        r"install --no-cache-dir --require-hashes -r \S+",
        "install --no-cache-dir uv",
        "Containerfile: pip install --no-cache-dir uv",
    ),
    "something more in the container": (
        "Containerfile",
        r"(?m)^WORKDIR /src$",
        "WORKDIR /src\nRUN curl https://example.org/install.sh | sh",
        "Containerfile: curl https://example.org/install.sh",
    ),
    "no hashes in a script of a shell's": (
        "scripts/check_container",
        r"install -q --require-hashes -r requirements/compose.txt",
        "install -q podman-compose",
        'scripts/check_container: pip" install -q podman-compose',
    ),
    "another image": (
        "Containerfile",
        r"ARG BASE_IMAGE=\S+",
        "ARG BASE_IMAGE=docker.io/library/debian:sid",
        "Containerfile: docker.io/library/debian:sid",
    ),
    "an image that is written out": (
        "Containerfile",
        r"FROM \$\{BASE_IMAGE\}\$\{BASE_DIGEST\} AS runtime",
        "FROM docker.io/library/debian:sid AS runtime",
        "Containerfile: docker.io/library/debian:sid",
    ),
    "files from another image": (
        "Containerfile",
        r"COPY --from=build /opt/python",
        "COPY --from=ghcr.io/somebody/tool:latest /opt/python",
        "Containerfile: ghcr.io/somebody/tool:latest",
    ),
    "an image in compose": (
        "compose.yaml",
        r"image: \S+",
        "image: docker.io/somebody/speechhub",
        "compose.yaml: docker.io/somebody/speechhub",
    ),
    "an image in a quadlet unit": (
        "deploy/quadlet/speechhub.container",
        r"Image=\S+",
        "Image=docker.io/somebody/speechhub",
        "deploy/quadlet/speechhub.container: docker.io/somebody/speechhub",
    ),
    "a model's file without a checksum, and a branch": (
        WHISPER,
        r'sha256="d01c\w+",([\s\S]+?)revision="\w{40}"',
        r'\1revision="main"',
        "model whisper-base: Systran/faster-whisper-base@main",
    ),
    "another branch than the one with a reason": (
        f"{QWEN}/__init__.py",
        r'HubSource\(repo="Qwen/Qwen3-ASR-0.6B"',
        'HubSource(repo="Qwen/Qwen3-ASR-0.6B", revision="v2"',
        "model qwen3-asr-0.6b: Qwen/Qwen3-ASR-0.6B@v2",
    ),
    "another repository than the one with a reason": (
        f"{QWEN}/__init__.py",
        r'HubSource\(repo="Qwen/Qwen3-ForcedAligner-0.6B"',
        'HubSource(repo="Kwen/Qwen3-ForcedAligner-0.6B"',
        "model qwen3-asr-0.6b, part aligner: Kwen/Qwen3-ForcedAligner-0.6B@main",
    ),
}


@pytest.mark.parametrize(("path", "pattern", "replacement", "gap"), DOCTORED.values(), ids=DOCTORED)
def test_what_is_not_fixed_is_named(repository, path, pattern, replacement, gap):
    """The audit fails, and says where and what."""
    doctor(repository, path, pattern, replacement)

    found = _unpinned.problems(repository)

    assert any(problem.startswith(gap) for problem in found), found


def test_a_lock_that_is_gone_is_missed(repository):
    """The installer is fetched before anything else could be compared."""
    (repository / "requirements" / "uv.txt").unlink()
    (repository / NPM).unlink()

    found = _unpinned.problems(repository)

    assert "requirements/uv.txt: it must pin uv and nothing else" in found
    assert f"{NPM.replace('package-lock', 'package')}: it has no package-lock.json" in found


def test_actions_are_named_by_their_commit(tmp_path):
    """A tag can be moved; there are none in the repository today."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text(
        f"steps:\n  - uses: actions/checkout@v5\n  - uses: actions/cache@{'a' * 40}\n  - uses: ./.ci\n"
    )

    assert list(_unpinned.in_actions(tmp_path)) == [".github/workflows/ci.yml: actions/checkout@v5"]


def test_an_image_with_its_digest_is_fixed(tmp_path):
    """Whatever tag stands before it."""
    digest = f"sha256:{'0' * 64}"
    (tmp_path / "Containerfile").write_text(f"FROM debian:12@{digest} AS build\nFROM build\n")

    assert list(_unpinned.in_images(tmp_path)) == []


def test_a_reason_outlives_nothing(repository):
    """Once the gap is closed, its entry has to go."""
    doctor(repository, "compose.yaml", r"debian:bookworm-slim", f"debian@sha256:{'0' * 64}")

    [problem] = _unpinned.problems(repository)

    assert problem.startswith("compose.yaml: docker.io/library/debian:bookworm-slim: allowed, but no longer")


def test_a_plugin_that_cannot_be_read_is_no_pass(repository):
    """What cannot be looked at is not taken for good."""
    doctor(repository, WHISPER, r"^", "raise RuntimeError\n")

    with pytest.raises(RuntimeError, match="cannot be read"):
        _unpinned.problems(repository)


def test_the_exit_status_tells(repository, capsys):
    """0 with all reasons told, 1 with each gap named."""
    assert audit.look_at_pins(repository) == 0
    assert "allowed with a reason" in capsys.readouterr().out

    doctor(repository, "compose.yaml", r"image: \S+", "image: docker.io/somebody/else")

    assert audit.look_at_pins(repository) == 1
    assert "not fixed: compose.yaml: docker.io/somebody/else\n" in capsys.readouterr().out

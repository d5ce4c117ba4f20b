"""Gaps in the supply chain: what is installed or fetched without a checksum or a fixed revision.

Reads files and connects to nothing. `ALLOWED` names the gaps that stay, each with its reason; one that is
gone from the repository is a gap itself, so that the list cannot outlive what it was made for.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

SHA256 = r"[0-9a-f]{64}"
PIN = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.!+_-]+(\s*;[^#]*?)?(\s+--hash=sha256:{SHA256})+"
)
"""A whole pin: one version, and a checksum for each file that it may be."""
COMMIT = re.compile(r"[0-9a-f]{40}")
DIGEST = re.compile(rf"@sha256:{SHA256}")
FETCHES = re.compile(
    r"(?:^|\s|/)(pip3?|uvx|pipx|npx|npm|curl|wget|git)['\"]?\s+(install|download|wheel|i|add|run|clone|https?://)\b"
)
"""Commands of a shell that bring something from elsewhere."""
OWN = re.compile(r"(localhost|registry\.example\.org)/|\$\{\w+:\?")
"""Images that are built here, stand for an operator's own, or must be named by the operator."""
SKIPPED: Final = {".git", ".venv", ".venvs", ".nox", "node_modules", "site", "dist"}
LIMIT_S: Final = 60

_NO_HUB = (
    "no model hub can be reached where this is written; operators pin it: speechhub models pull MODEL --pin"
)
_TORCH = (
    "PyTorch's builds differ by index and accelerator, and each has other files; pinned by version and build"
)
_REGISTRY = (
    "no registry can be reached where this is written; operators name the digest: BASE_DIGEST=@sha256:…"
)
_CALLERS = "the words of an installer; its callers say what is installed, and each is looked at"
_PLUGIN = "the plugin itself, which the operator names; what builds ours is fixed by the lock's hashes"
ALLOWED: Final[Mapping[str, str]] = {
    "plugins/speechhub-indextts/src/speechhub_indextts/engine-requirements.txt: torch==2.13.0": _TORCH,
    "plugins/speechhub-qwen-asr/src/speechhub_qwen_asr/engine-requirements.txt: torch==2.13.0": _TORCH,
    "noxfile.py: session.install('--no-deps', *torch, *place)": _TORCH,
    "src/speechhub/environments/packages.py: _pip()": _CALLERS,
    "src/speechhub/environments/install.py: "
    "installer.install('--no-deps', source.requirement, alone=True)": _PLUGIN,
    "src/speechhub/environments/install.py: "
    "installer.install('--no-deps', '--editable', source.requirement, alone=True)": _PLUGIN,
    "src/speechhub/environments/install.py: installer.install(source.requirement, '-c', str(chosen))": (
        "a plugin of somebody else's that carries no pins; the command says so"
    ),
    "src/speechhub/environments/install.py: "
    "installer.install('--no-deps', *_hashed(pins.others, say), '-r', str(chosen))": (
        "demands hashes where the plugin's pins have them, as all of ours do; the command says where not"
    ),
    "scripts/check_clients.py: pin()": "writes the lock, with npm's checksums, and installs nothing",
    "scripts/check_getting_started.py: npm_install()": "does what the page tells newcomers, word for word",
    "scripts/check_openai_node.py: with_jest()": "by hand alone, for a clone's own tests; no task runs it",
    "Containerfile: docker.io/nvidia/cuda:12.3.2-cudnn9-runtime-ubuntu22.04": _REGISTRY,
    "compose.yaml: docker.io/library/debian:bookworm-slim": _REGISTRY,
    "compose.gpu.yaml: docker.io/nvidia/cuda:12.3.2-cudnn9-runtime-ubuntu22.04": _REGISTRY,
    "compose.cdi.yaml: docker.io/nvidia/cuda:12.3.2-cudnn9-runtime-ubuntu22.04": _REGISTRY,
    "model qwen3-asr-0.6b: Qwen/Qwen3-ASR-0.6B@main": _NO_HUB,
    "model qwen3-asr-1.7b: Qwen/Qwen3-ASR-1.7B@main": _NO_HUB,
    **{
        f"model {model}, part aligner: Qwen/Qwen3-ForcedAligner-0.6B@main": _NO_HUB
        for model in ("qwen3-asr-0.6b", "qwen3-asr-1.7b")
    },
    "model indextts-2: IndexTeam/IndexTTS-2@main": _NO_HUB,
    "model indextts-2.5: IndexTeam/IndexTTS-2.5@main": _NO_HUB,
    **{
        f"model {model}, part {part}@main": _NO_HUB
        for model in ("indextts-2", "indextts-2.5")
        for part in (
            "w2v-bert: facebook/w2v-bert-2.0",
            "campplus: funasr/campplus",
            "bigvgan: nvidia/bigvgan_v2_22khz_80band_256x",
        )
    },
    "model indextts-2, part semantic-codec: amphion/MaskGCT@main": _NO_HUB,
}
"""Gap → why it stays."""


def problems(root: Path, allowed: Mapping[str, str] = ALLOWED) -> list[str]:
    """Return each gap of the repository at *root* that no entry of *allowed* excuses, and each idle entry."""
    found = list(dict.fromkeys(gaps(root)))
    new = [gap for gap in found if gap not in allowed]
    idle = [f"{gap}: allowed, but no longer there; delete the entry" for gap in allowed if gap not in found]
    return [*new, *idle]


def gaps(root: Path) -> Iterator[str]:
    """Yield every gap, as ``WHERE: WHAT``."""
    yield from in_requirements(root)
    yield from in_npm(root)
    yield from in_python(root)
    yield from in_shell(root)
    yield from in_images(root)
    yield from in_actions(root)
    yield from in_models(root)


def in_requirements(root: Path) -> Iterator[str]:
    """Look at every lock: each package in one version, with the SHA-256 of each of its files."""
    files = files_of(root, "*requirements*.txt")
    files += [path for path in files_of(root, "*.txt") if "requirements" in path.relative_to(root).parts[:-1]]
    for path in dict.fromkeys(files):
        for line in logical_lines(path.read_text("utf-8")):
            if not PIN.fullmatch(line):
                yield f"{path.relative_to(root)}: {line.partition(' --hash')[0].strip()}"
    uv = root / "requirements" / "uv.txt"
    pins = logical_lines(uv.read_text("utf-8")) if uv.exists() else []
    if [line.partition("==")[0] for line in pins] != ["uv"]:
        yield "requirements/uv.txt: it must pin uv and nothing else"


def in_npm(root: Path) -> Iterator[str]:
    """Look at every package.json: beside it lies a lock in which each package has its checksum."""
    for path in files_of(root, "package.json"):
        lock = path.with_name("package-lock.json")
        if not lock.exists():
            yield f"{path.relative_to(root)}: it has no package-lock.json"
            continue
        for name, package in json.loads(lock.read_text("utf-8")).get("packages", {}).items():
            if name and not package.get("link") and not str(package.get("integrity")).startswith("sha512-"):
                yield f"{lock.relative_to(root)}: {name}"


def in_python(root: Path) -> Iterator[str]:
    """Look at every call of an installer: it demands hashes, or takes local files alone.

    Where the words stand in a list of their own, the function around them has to.
    """
    paths = [*root.glob("*.py"), *root.glob("scripts/*.py"), *root.glob("src/speechhub/environments/*.py")]
    for path in sorted(paths):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and has_words(node) and not demands(ast.unparse(node)):
                yield f"{path.relative_to(root)}: {node.name}()"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                call = ast.unparse(node)
                if (
                    node.func.attr == "install"
                    and not isinstance(node.func.value, ast.Call)
                    and not fixed(call)
                ):
                    yield f"{path.relative_to(root)}: {call}"


def has_words(function: ast.FunctionDef) -> bool:
    """Return whether a function holds the words of an installer in a list, or hands steps to `installed`."""
    for node in ast.walk(function):
        words = node.elts if isinstance(node, ast.List | ast.Tuple) else []
        if {"install", "download"} & {it.value for it in words if isinstance(it, ast.Constant)}:
            return True
        called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "installed"
        if isinstance(node, ast.Call) and called and any(isinstance(it, ast.List) for it in node.args):
            return True
    return False


def fixed(source: str) -> bool:
    """Return whether a call demands hashes, or installs what lies here with what is installed."""
    return demands(source) or ("--no-deps" in source and "--no-build-isolation" in source)


def demands(source: str) -> bool:
    """Return whether a piece of Python demands hashes, or has no index to take anything else from."""
    return any(mark in source for mark in ("--require-hashes", "--no-index", "'npm', 'ci'"))


def in_shell(root: Path) -> Iterator[str]:
    """Look at every command of a shell that fetches: it demands hashes, or builds what lies here."""
    for path in shell_files(root):
        text = re.sub(r"\\\n", " ", path.read_text("utf-8"))
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        for command in (part for line in lines for part in re.split(r"&&|\|\||;|\|", line)):
            if not (match := FETCHES.search(command)):
                continue
            builds_here = {"--no-deps", "--no-build-isolation"} <= set(command.split())
            if not (builds_here or "--require-hashes" in command):
                yield f"{path.relative_to(root)}: {' '.join(command[match.start(1) :].split())}"


def in_images(root: Path) -> Iterator[str]:
    """Check that every image of another project is named by its digest."""
    found: list[tuple[Path, str]] = []
    for path in files_of(root, "Containerfile*", "Dockerfile*"):
        text = path.read_text("utf-8")
        stages = set(re.findall(r"^FROM\s+\S+\s+AS\s+(\S+)", text, re.MULTILINE | re.IGNORECASE))
        named = re.findall(r"^ARG\s+\w*IMAGE\w*=(\S+)", text, re.MULTILINE)
        named += re.findall(r"^FROM\s+(?:--\S+\s+)*([^\s$]\S*)", text, re.MULTILINE | re.IGNORECASE)
        named += re.findall(r"--from=([^\s$]\S*)", text)
        found += [(path, image) for image in named if image not in stages]
    for path in files_of(root, "*.yaml", "*.yml", "*.container"):
        text = path.read_text("utf-8")
        named = re.findall(r"^\s*(?:- )?(?:image:\s*|Image=)[\"']?([^\s\"'#]+)", text, re.MULTILINE)
        named += re.findall(r"\$\{\w*IMAGE\w*:-([^}]+)\}", text)
        found += [(path, re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", image)) for image in named]
    for path, image in dict.fromkeys(found):
        if not DIGEST.search(image) and not OWN.match(image):
            yield f"{path.relative_to(root)}: {image}"


def in_actions(root: Path) -> Iterator[str]:
    """Look at every action of GitHub's: it is named by its commit."""
    for path in files_of(root / ".github", "*.yml", "*.yaml"):
        for used in re.findall(
            r"^\s*(?:- )?uses:\s*[\"']?([^\s\"'#]+)", path.read_text("utf-8"), re.MULTILINE
        ):
            if not used.startswith("./") and not COMMIT.fullmatch(used.rpartition("@")[2]):
                yield f"{path.relative_to(root)}: {used}"


DESCRIBE: Final = """
import json, sys, tomllib
from importlib import import_module
from pathlib import Path
told = []
for project in sorted(Path(sys.argv[1]).glob("plugins/*/pyproject.toml")):
    points = tomllib.loads(project.read_text("utf-8"))["project"].get("entry-points", {})
    for group in ("speechhub.stt", "speechhub.tts"):
        for target in points.get(group, {}).values():
            module, _, name = target.partition(":")
            for model in getattr(import_module(module), name).models:
                sets = [(f"model {model.id}", model.hub, model.files)]
                name = f"model {model.id}, part"
                sets += [(f"{name} {part.name}", part.hub, part.files) for part in model.parts]
                told += [
                    (title, f"{hub.repo}@{hub.revision}", hub.revision, [file.sha256 for file in files])
                    for title, hub, files in sets
                    if hub is not None
                ]
print(json.dumps(told))
"""


def in_models(root: Path) -> Iterator[str]:
    """Look at every model that the plugins describe: a commit, or a SHA-256 for each file.

    Raises:
        RuntimeError: A plugin's description cannot be read.
    """
    sources = [str(root / "src"), *map(str, sorted(root.glob("plugins/*/src")))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", DESCRIBE, str(root)]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=root
    )
    if done.returncode:
        raise RuntimeError(f"the plugins cannot be read: {done.stderr.strip()}")
    for title, source, revision, digests in json.loads(done.stdout):
        whole = bool(digests) and all(re.fullmatch(SHA256, str(digest)) for digest in digests)
        if not whole and not COMMIT.fullmatch(revision):
            yield f"{title}: {source}"


def logical_lines(text: str) -> list[str]:
    """Return the lines of a requirements file, continued ones joined, without comments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def shell_files(root: Path) -> list[Path]:
    """Return what a shell runs: the Containerfile's steps, CI, and the scripts without an ending."""
    files = [*files_of(root, "Containerfile*", "Dockerfile*", "*.sh"), *files_of(root / ".ci", "*")]
    files += [path for path in files_of(root / "scripts", "*") if not path.suffix]
    files += [path for path in files_of(root / "deploy", "*") if not path.suffix]
    return list(dict.fromkeys(files))


def files_of(root: Path, *patterns: str) -> list[Path]:
    """Return the files below *root* of these names, sorted, without what tools leave there."""
    return sorted(matching(root, patterns))


def matching(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the files below *root* of these names."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.endswith("_cache")]
        yield from (Path(folder, name) for name in names if any(Path(name).match(it) for it in patterns))

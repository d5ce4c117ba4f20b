"""Write the lock: requirements/*.txt, and the hashes in the plugins' own pins.

    .venv/bin/python scripts/lock.py              follow pyproject.toml; keep the versions that still fit
    .venv/bin/python scripts/lock.py --upgrade    take the newest release of everything that the bounds allow
    .venv/bin/python scripts/lock.py --check      change nothing; exit with 1 where a file is out of date

Each file holds every package of one environment with its hashes, for all Pythons from 3.11 on and all
platforms, and names no index: uv and pip take the files from wherever the machine is configured to look.
uv.lock would not do, because it writes an index's address into every line.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import _pip_config
from _install import find_uv

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
OLDEST_PYTHON = "3.11"
HEADER = "# {what}\n# Made by scripts/lock.py; install with --require-hashes.\n"
TORCH = ("torch", "torchaudio", "torchvision")
"""Packages whose files differ by the index that serves them: pinned by version alone."""
PIN_LINE = re.compile(r"([A-Za-z0-9._-]+)==[^\s;\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment whose packages are locked together."""

    what: str
    """Sentence for the top of the file."""
    projects: tuple[str, ...] = ()
    """Folders of ours whose dependencies are in it."""
    extras: tuple[str, ...] = ()
    """Extras of the top pyproject.toml that are in it."""
    groups: tuple[str, ...] = ()
    """Dependency groups of the top pyproject.toml that are in it."""
    base: str = ""
    """Another environment's name: what both hold has one version."""
    pins: Path | None = None
    """A plugin's own exact set, which is installed first: nothing of it is in the file."""


def environments() -> dict[str, Environment]:
    """Return every locked environment under the name of its file."""
    cpu = ("plugins/speechhub-whisper", "plugins/speechhub-piper")
    found = {
        "uv": Environment(what="The installer.", groups=("uv",)),
        "serve": Environment(
            what="The hub with its CPU engines, and what installs them.",
            projects=(".", *cpu),
            extras=("zeroconf",),
            groups=("build",),
        ),
        "test": Environment(
            what="What scripts/test needs in .venv.",
            projects=(".", *cpu, "plugins/speechhub-echo"),
            extras=("zeroconf",),
            groups=("build", "lint", "types", "test", "coverage", "tasks"),
            base="serve",
        ),
        "ray": Environment(
            what="The environment in which speechhub-ray is tested.",
            projects=(".", "deploy/ray", "plugins/speechhub-echo"),
            groups=("build", "test"),
            base="test",
        ),
        "ray-serve": Environment(
            what="The hub with speechhub-ray, for deploy/ray/Containerfile.",
            projects=(".", "deploy/ray"),
            extras=("zeroconf",),
            groups=("build",),
            base="ray",
        ),
        "site": Environment(what="What builds the documentation's site.", groups=("site",)),
        "manifests": Environment(what="What checks the manifests.", groups=("manifests",)),
        "audit": Environment(what="What scripts/audit.py asks with.", groups=("audit",)),
        "compose": Environment(what="What scripts/check_container composes with.", groups=("compose",)),
        "openai-python": Environment(
            what="What scripts/check_openai_python.py runs.", groups=("openai-python",)
        ),
        "release": Environment(what="What scripts/release.py builds and checks with.", groups=("release",)),
        "schemathesis": Environment(
            what="What scripts/check_schemathesis.py runs.", groups=("schemathesis",)
        ),
    }
    folders = [project.parent for project in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    sharing = [folder.name for folder in folders if not [*folder.glob("src/*/engine-requirements.txt")]]
    found["wheels"] = Environment(
        what="What the wheels need that scripts/release.py installs together.",
        projects=(".", *(f"plugins/{name}" for name in sharing)),
        base="test",
    )
    for folder in folders:
        pins = next(folder.glob("src/*/engine-requirements.txt"), None)
        found[f"plugin-{folder.name.removeprefix('speechhub-')}"] = Environment(
            what=f"The environment in which {folder.name} is tested.",
            projects=(".", f"plugins/{folder.name}"),
            groups=("build", "test"),
            base="test",
            pins=pins,
        )
    return found


def main() -> int:
    """Write or check all files; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest releases")
    parser.add_argument("--check", action="store_true", help="change nothing, and tell what is out of date")
    options = parser.parse_args()
    changed = []
    for path in sorted(ROOT.glob("plugins/*/src/*/engine-requirements.txt")):
        changed += replace(path, with_hashes(path), check=options.check)
    for name, environment in environments().items():
        path = FOLDER / f"{name}.txt"
        changed += replace(path, locked(path, environment, upgrade=options.upgrade), check=options.check)
    for path in changed:
        print(f"{path.relative_to(ROOT)} {'is out of date' if options.check else 'was written'}")
    if changed and options.check:
        print("Run: .venv/bin/python scripts/lock.py")
    return 1 if changed and options.check else 0


def replace(path: Path, text: str, *, check: bool) -> list[Path]:
    """Write *text* unless it is there already or this is a *check*; return the path if they differ."""
    if path.exists() and path.read_text("utf-8") == text:
        return []
    if not check:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return [path]


def locked(path: Path, environment: Environment, *, upgrade: bool) -> str:
    """Return the lock of one environment; releases that *path* names stay unless this is an *upgrade*."""
    former = path.read_text("utf-8") if path.exists() and not upgrade else ""
    # What an engine pins, it pins for its whole environment: the hub's packages and the tools yield to it.
    base = environment.pins or (FOLDER / f"{environment.base}.txt" if environment.base else None)
    pinned = names_in(environment.pins.read_text("utf-8")) if environment.pins else set()
    requirements = [line for line in wanted(environment) if name_of(line) not in pinned]
    text = compiled(requirements, constraints=[base] if base else [], former=former)
    return HEADER.format(what=environment.what) + without(text, pinned)


def wanted(environment: Environment) -> list[str]:
    """Return the requirements that pyproject.toml files state for an environment, without the hub.

    It is installed from its folder.
    """
    top = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = [line for group in environment.groups for line in top["dependency-groups"][group]]
    lines += [line for extra in environment.extras for line in top["project"]["optional-dependencies"][extra]]
    for folder in environment.projects:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"]
        lines += [line for line in project["dependencies"] if name_of(line) != "speechhub"]
    return sorted(set(lines))


def with_hashes(path: Path) -> str:
    """Return a plugin's pins with the hashes of all their files; PyTorch, whose builds differ, has none."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("--hash=")]
    lines = [line.removesuffix("\\").rstrip() for line in lines]
    pins = [line for line in lines if PIN_LINE.match(line) and name_of(line) not in TORCH]
    former = path.read_text("utf-8")
    hashes = hashes_in(compiled(pins, constraints=[], former=former, alone=True))
    result = []
    for line in lines:
        known = hashes.get(name_of(line), []) if line in pins else []
        result += [line + (" \\" if known else "")]
        result += [f"    --hash={digest}" + (" \\" if digest != known[-1] else "") for digest in known]
    return "".join(f"{line}\n" for line in result)


def compiled(
    requirements: Sequence[str],
    *,
    constraints: Sequence[Path],
    former: str,
    alone: bool = False,
    python: str = OLDEST_PYTHON,
) -> str:
    """Let uv resolve *requirements* for all platforms and Pythons from *python* on.

    With *alone*, what they need themselves is left out.

    Raises:
        SystemExit: There is no uv, or it found no solution.
    """
    uv = find_uv()
    if uv is None:
        sys.exit("scripts/lock.py needs uv: .venv/bin/pip install uv")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "requirements.in", Path(folder) / "requirements.txt"
        source.write_text("".join(f"{line}\n" for line in requirements), "utf-8")
        target.write_text(former, "utf-8")
        command = [
            *(uv, "pip", "compile", "--quiet", "--universal", "--python-version", python),
            *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"),
            *(word for path in constraints for word in ("--constraint", str(path))),
            *(["--no-deps"] if alone else []),
            *(str(source), "--output-file", str(target)),
        ]
        if subprocess.run(command, check=False, env=uv_variables(), cwd=ROOT).returncode != 0:
            sys.exit(f"scripts/lock.py: uv found no solution for {', '.join(requirements)}")
        return target.read_text("utf-8")


def uv_variables() -> Mapping[str, str]:
    """Return the environment for uv: the machine's index, but neither its constraints nor its own wheels."""
    configuration = _pip_config.pip_configuration(os.environ)
    for option in ("constraint", "find-links", "extra-index-url"):
        configuration.pop(option, None)
    return {**os.environ, **_pip_config.uv_environment(configuration, os.environ)}


def blocks(text: str) -> list[str]:
    """Return the pins of a lock, each with the lines of its hashes."""
    return re.findall(r"^[A-Za-z0-9].*\n(?:[ \t].*\n)*", text, re.MULTILINE)


def without(text: str, names: set[str]) -> str:
    """Return a lock without some packages."""
    return "".join(block for block in blocks(text) if name_of(block) not in names)


def hashes_in(text: str) -> dict[str, list[str]]:
    """Return each package's hashes; those of several versions of one package together."""
    found: dict[str, list[str]] = {}
    for block in blocks(text):
        found.setdefault(name_of(block), []).extend(re.findall(r"--hash=(\S+)", block))
    return found


def names_in(text: str) -> set[str]:
    """Return the packages that a file pins."""
    return {name_of(line) for line in text.splitlines() if PIN_LINE.match(line)}


def name_of(requirement: str) -> str:
    """Return a requirement's package as indexes spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0]).lower()


if __name__ == "__main__":
    sys.exit(main())

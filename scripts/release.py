"""Build what a release consists of, and prove that it installs from files alone; nothing is published.

    .venv/bin/python scripts/release.py                 into dist/
    .venv/bin/python scripts/release.py --out folder
    .venv/bin/python scripts/release.py --changelog     builds nothing: moves the fragments into CHANGELOG.md

For the hub, each plugin and speechhub-ray: one version for all, a source distribution, a wheel built from it,
complete metadata, twine's check. Then a new environment gets the wheels, by their paths, and must show every
engine.
NOTES.md beside them gathers the fragments in changes/. Needs a package index, for what ours depend on.
"""

import argparse
import email
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path

import _stamp
from _conformance import environment, installed

ROOT = Path(__file__).resolve().parent.parent
NEEDED_METADATA = ("Summary", "Requires-Python", "License-Expression", "Description-Content-Type")
KINDS = {
    "feature": "Added",
    "engine": "For engines",
    "change": "Changed",
    "bugfix": "Fixed",
    "removal": "Removed",
}
"""Kind of a fragment → heading in the notes, in this order."""
UNRELEASED = "## [Unreleased]\n"
RAY = "speechhub-ray"
LIMIT_S = 600


class ReleaseError(Exception):
    """What was built is not fit to be released; the message says why."""


def main() -> int:
    """Build and check; return the exit code."""
    parser = argparse.ArgumentParser(description="Build a release and check it; nothing is published.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder; what is in it is deleted")
    parser.add_argument("--changelog", action="store_true", help="gather changes/ into CHANGELOG.md instead")
    arguments = parser.parse_args()
    out: Path = arguments.out.absolute()
    try:
        if arguments.changelog:
            return gather(ROOT, datetime.now(UTC).date().isoformat())
        folders = distributions(ROOT)
        version = one_version(folders)
        build(folders, out)
        wheels = sorted(out.glob("*.whl"))
        for wheel in wheels:
            check_wheel(wheel, version)
        for sdist in out.glob("*.tar.gz"):
            check_sdist(sdist)
        install_and_look(wheels, version)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    (out / "NOTES.md").write_text(notes(version, ROOT / "changes"), "utf-8")
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size / 1000:8.0f} kB  {path.name}")
    print(f"speechhub {version}: {len(wheels)} distributions are fit to be published")
    return 0


def distributions(root: Path) -> list[Path]:
    """Return the folders of all that is released: the hub, the plugins, and speechhub-ray."""
    return [
        root,
        *sorted(path.parent for path in root.glob("plugins/*/pyproject.toml")),
        root / "deploy" / "ray",
    ]


def one_version(folders: list[Path]) -> str:
    """Return the version that the hub and all other distributions have.

    Raises:
        ReleaseError: They have not all the same, or one asks for another hub.
    """
    code = (folders[0] / "src/speechhub/__init__.py").read_text("utf-8")
    version = code.partition('__version__ = "')[2].partition('"')[0]
    for folder in folders[1:]:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        if project["version"] != version:
            raise ReleaseError(f"{folder.name} has version {project['version']}, the hub {version}")
        asked = [line for line in project.get("dependencies", []) if line.startswith("speechhub==")]
        if asked not in ([], [f"speechhub=={version}"]):
            raise ReleaseError(f"{folder.name} asks for {asked[0]}, the hub has {version}")
    return version


def build(folders: list[Path], out: Path) -> None:
    """Build a source distribution of each folder, a wheel from that, and let twine look at them.

    Raises:
        ReleaseError: Something cannot be built.
    """
    python = environment("release")
    shutil.rmtree(out, ignore_errors=True)
    for folder in folders:
        print(f"building {folder.relative_to(ROOT) if folder != ROOT else 'speechhub'}", flush=True)
        run([str(python), "-m", "build", "--no-isolation", "--outdir", str(out), str(folder)])
    if lost := {name_of(folder) for folder in folders} - {distribution(it) for it in out.glob("*.whl")}:
        raise ReleaseError(f"{lost.pop()} was not built")
    run([str(python), "-m", "twine", "check", "--strict", *map(str, sorted(out.iterdir()))])


def check_wheel(path: Path, version: str) -> None:
    """Look into a wheel.

    Raises:
        ReleaseError: Something is missing, or there is something that does not belong there.
    """
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        metadata = email.message_from_bytes(wheel.read(one(names, ".dist-info/METADATA", path)))
    check_metadata(metadata, path, version)
    if not any(name.endswith("/py.typed") for name in names):
        raise ReleaseError(f"{path.name} has no py.typed: its types would be ignored")
    if strays := [name for name in names if "/tests/" in name or name.endswith((".pyc", ".env"))]:
        raise ReleaseError(f"{path.name} has {strays[0]}")


def check_metadata(metadata: Message, path: Path, version: str) -> None:
    """Compare a distribution's metadata with what an index should show.

    Raises:
        ReleaseError: A field is missing, or the version is another.
    """
    if missing := [name for name in NEEDED_METADATA if not metadata[name]]:
        raise ReleaseError(f"{path.name} has no {missing[0]}")
    if metadata["Version"] != version:
        raise ReleaseError(f"{path.name} says that it is version {metadata['Version']}")


def check_sdist(path: Path) -> None:
    """Look into a source distribution.

    Raises:
        ReleaseError: There is no project in it.
    """
    with tarfile.open(path) as archive:
        one(archive.getnames(), "/pyproject.toml", path)


def one(names: list[str], ending: str, path: Path) -> str:
    """Return the name that ends so.

    Raises:
        ReleaseError: There is none.
    """
    for name in names:
        if name.endswith(ending):
            return name
    raise ReleaseError(f"{path.name} has no file *{ending}")


def install_and_look(wheels: list[Path], version: str) -> None:
    """Install the wheels, by their paths, into an environment made anew, and ask speechhub what it sees.

    speechhub-ray comes without Ray, which takes 800 MB: its command must start all the same. nox -s ray tests
    it with Ray.

    Raises:
        ReleaseError: It does not start, or an engine is missing.
    """
    print("installing into a new environment", flush=True)
    shutil.rmtree(ROOT / ".venvs" / "release-install", ignore_errors=True)
    together = [wheel for wheel in wheels if not has_own_environment(wheel)]
    # The lock first; then nothing is fetched any more, so that what a wheel asks for beyond it is missed.
    lock = ["--require-hashes", "-r", _stamp.lock("wheels")]
    ray = [str(wheel) for wheel in wheels if distribution(wheel) == RAY]
    steps = [lock, ["--no-index", *map(str, together)], ["--no-index", "--no-deps", *ray]]
    python = installed("release-install", steps)
    speechhub = str(python.with_name("speechhub"))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPEECHHUB_", "PYTHON"))}
    clean["SPEECHHUB_HOME"] = str(python.parent.parent / "home")
    engines = [name for name in map(distribution, together) if name != "speechhub"]
    for command, wanted in (
        ([speechhub, "--version"], [version]),
        ([speechhub, "engines"], engines),
        ([str(python.with_name(RAY)), "--version"], [version]),
        ([str(python.with_name(RAY)), "serve", "--help"], ["--replicas"]),
    ):
        said = run(command, environ=clean, folder=python.parent)
        if missing := [text for text in wanted if text not in said]:
            raise ReleaseError(f"{Path(command[0]).name} {command[1]} does not show {missing[0]}:\n{said}")
        if "broken" in said:
            raise ReleaseError(f"a plugin is broken where only the wheels are:\n{said}")


def has_own_environment(wheel: Path) -> bool:
    """Tell whether a distribution is made for an environment of its own: it needs PyTorch or Ray."""
    with zipfile.ZipFile(wheel) as file:
        metadata = email.message_from_bytes(file.read(one(file.namelist(), ".dist-info/METADATA", wheel)))
    return any(
        line.startswith(("torch", "qwen", "indextts", "ray["))
        for line in metadata.get_all("Requires-Dist", [])
    )


def name_of(folder: Path) -> str:
    """Return the distribution that a folder holds."""
    name: str = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    return name


def distribution(wheel: Path) -> str:
    """Return a wheel's distribution, as pip shows it."""
    return wheel.name.partition("-")[0].replace("_", "-")


def notes(version: str, folder: Path) -> str:
    """Gather the fragments of *folder* under their headings."""
    lines = [f"# speechhub {version}"]
    for kind, heading in KINDS.items():
        fragments = sorted(folder.glob(f"+*.{kind}.md"))
        if fragments:
            lines += [
                "",
                f"## {heading}",
                "",
                *(f"- {path.read_text('utf-8').strip()}" for path in fragments),
            ]
    return "\n".join(lines) + "\n"


def gather(root: Path, day: str) -> int:
    """Put the fragments of changes/ into CHANGELOG.md, as those of the hub's version, and delete them.

    Raises:
        ReleaseError: There is nothing to gather, or CHANGELOG.md has this version already.
    """
    changelog, folder = root / "CHANGELOG.md", root / "changes"
    version = one_version([root])
    text = changelog.read_text("utf-8")
    fragments = sorted(folder.glob("+*.md"))
    if not fragments:
        raise ReleaseError("changes/ has no fragments")
    if f"## [{version}]" in text or text.count(UNRELEASED) != 1:
        raise ReleaseError(f"CHANGELOG.md has {version} already, or no line {UNRELEASED.strip()}")
    gathered = notes(version, folder).partition("\n\n")[2].replace("\n## ", "\n### ").removeprefix("#")
    new = f"{UNRELEASED}\n## [{version}] - {day}\n\n##{gathered}"
    changelog.write_text(text.replace(UNRELEASED, new), "utf-8")
    for path in fragments:
        path.unlink()
    print(f"{len(fragments)} changes are in CHANGELOG.md, under {version}")
    return 0


def run(command: list[str], *, environ: dict[str, str] | None = None, folder: Path = ROOT) -> str:
    """Run *command* and return what it said.

    Raises:
        ReleaseError: It failed.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(command[:4])} … failed:\n{done.stdout[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

"""Installs the lock under every supported Python that this machine has, and tests the result.

    .venv/bin/python scripts/check_pythons.py             all but that of .venv, which scripts/test runs
    .venv/bin/python scripts/check_pythons.py 3.11 3.13   these

Each runs the unit, HTTP and system tests, and speaks a sentence and transcribes it. A Python that the
machine lacks is named and skipped; without any, the exit code is 77.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _install
import _stamp
from _conformance import ROOT, VENVS, installed
from _sentence import speak_and_hear

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
CANNOT_TRY = 77
LIMIT_S = 1500
AT_A_TIME = 2


def main(chosen: list[str]) -> int:
    """Check the Pythons *chosen*, or all but our own; return the exit code."""
    versions: dict[str, Path] = {}
    for version in chosen or others():
        if python := find(version):
            versions[version] = python
        else:
            print(f"Python {version}: not on this machine, skipped", flush=True)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        codes = list(pool.map(check, versions, versions.values()))
    return max(codes, default=CANNOT_TRY)


def others() -> list[str]:
    """Return the versions that speechhub supports, without that of .venv, which the other steps test."""
    own = "{}.{}".format(*sys.version_info)
    return [version for version in SUPPORTED if version != own]


def find(version: str) -> Path | None:
    """Return a Python *version* of this machine that starts; None without one."""
    for place in candidates(version):
        told = _install.output_of(
            place, "-c", "import ensurepip, venv, sys; print(*sys.version_info[:2], sep='.')"
        )
        if told == version:
            return place
    return None


def candidates(version: str) -> Iterator[Path]:
    """Yield where a Python may be: on the PATH, among pyenv's, among uv's."""
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    if uv := _install.find_uv():
        found = _install.output_of(uv, "python", "find", "--no-python-downloads", "--no-project", version)
        if found:
            yield Path(found)


def check(version: str, base: Path) -> int:
    """Check one Python, print its output at the end, and return the exit code."""
    lock = Path(_stamp.lock("test"))
    folders = [ROOT, *map(Path, _stamp.plugin_folders("test"))]
    editable = [word for folder in folders for word in ("--editable", str(folder))]
    python = installed(
        f"python{version}",
        [["--require-hashes", "-r", str(lock)], ["--no-deps", "--no-build-isolation", *editable]],
        base=base,
        state=lock.read_text("utf-8"),
    )
    reports = os.environ.get("TEST_REPORTS")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["tests/unit", "tests/http", "tests/system", "-m", "not lengthy"]
    command += [f"--junit-xml={reports}/python{version}.xml"] if reports else []
    path = VENVS / f"python{version}.log"
    with path.open("w", encoding="utf-8") as log:
        try:
            code = subprocess.run(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=LIMIT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            log.write(f"the tests took longer than {LIMIT_S} s\n")
            code = 1
        log.flush()
        heard = speak_and_hear(python, log)
    print(f"\n── Python {version}, {base} ──\n{path.read_text('utf-8')}", flush=True)
    print(f"Python {version}: {'works' if heard and not code else 'FAILED'}", flush=True)
    return code or (0 if heard else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Installs the newest release of everything, whatever the lock and the bounds say, and reports what broke.

    .venv/bin/python scripts/check_upgrade.py

Prints each package whose newest release differs from the lock, runs the unit and HTTP tests, and speaks a
sentence and writes it down again. Where all is well, raise the bounds in pyproject.toml and run
scripts/lock.py --upgrade.
"""

import re
import subprocess
import sys
from pathlib import Path

import _stamp
import lock
from _conformance import ROOT, VENVS, installed
from _sentence import speak_and_hear


def main() -> int:
    """Check the newest of everything; return the exit code."""
    wanted = [unbounded(line) for line in lock.wanted(lock.environments()["test"])]
    newest = lock.compiled(wanted, constraints=[], former="")
    for line in differences(Path(_stamp.lock("test")).read_text("utf-8"), newest):
        print(line, flush=True)
    VENVS.mkdir(exist_ok=True)
    path = VENVS / "newest.txt"
    path.write_text(newest, "utf-8")
    folders = [ROOT, *map(Path, _stamp.plugin_folders("test"))]
    editable = [word for folder in folders for word in ("--editable", str(folder))]
    python = installed(
        "newest",
        [["--require-hashes", "-r", str(path)], ["--no-deps", "--no-build-isolation", *editable]],
        state=newest,
    )
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "tests/unit", "tests/http"]
    code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    heard = speak_and_hear(python, sys.stdout)
    print("The newest of everything works." if heard and not code else "Something broke; see above.")
    return code or (0 if heard else 1)


def unbounded(requirement: str) -> str:
    """Return a requirement without its upper bound."""
    head, semicolon, marker = requirement.partition(";")
    return re.sub(r",\s*<[^,;]+|<[^,;=]+,\s*", "", head) + semicolon + marker


def differences(locked: str, newest: str) -> list[str]:
    """Return a line for each package whose newest release is not the locked one."""
    before, after = versions(locked), versions(newest)
    return [
        f"{name}: {before.get(name, 'not there')} → {after.get(name, 'not there')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def versions(text: str) -> dict[str, str]:
    """Return each package's versions in a lock, with their markers."""
    found: dict[str, list[str]] = {}
    for block in lock.blocks(text):
        line = block.splitlines()[0].removesuffix("\\").strip()
        name, _, version = line.partition("==")
        found.setdefault(name, []).append(version)
    return {name: " or ".join(several) for name, several in found.items()}


if __name__ == "__main__":
    sys.exit(main())

"""Checks that every download is pinned, and looks up known vulnerabilities of the installed packages.

    .venv/bin/python scripts/audit.py --pins       locks, models, images: reads files, connects to nothing
    .venv/bin/python scripts/audit.py              that, then known vulnerabilities: asks PyPI
    .venv/bin/python scripts/audit.py --service osv

For vulnerabilities, the environment .venv, the pins of engines and the lock with Ray are looked at; nothing
is installed for it.
Exit status: 0 all is well, 1 something is not, 77 the service knows nothing of some package.
The vulnerabilities are not part of scripts/test, because what is known changes without a change of ours.
"""

import argparse
import json
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import _stamp
from _conformance import environment
from _unpinned import ALLOWED, logical_lines, problems

ROOT = Path(__file__).resolve().parent.parent
CANNOT_TRY = 77
LIMIT_S = 600


def main() -> int:
    """Ask about everything; return the exit code."""
    parser = argparse.ArgumentParser(description="Look for what is not fixed, or has known vulnerabilities.")
    parser.add_argument("--pins", action="store_true", help="only look whether everything is fixed")
    parser.add_argument("--service", choices=["pypi", "osv"], default="pypi", help="who is asked")
    arguments = parser.parse_args()
    unpinned = look_at_pins(ROOT)
    if arguments.pins:
        return unpinned
    service: str = arguments.service
    python = environment("audit")
    subjects = {"the environment .venv": ["--path", sysconfig.get_path("purelib")]}
    locks = [*sorted(ROOT.glob("plugins/*/src/*/engine-requirements.txt")), Path(_stamp.lock("ray-serve"))]
    for pins in locks:
        # Without hashes: of PyTorch there are none, and pip-audit wants all or nothing.
        bare = python.parent.parent / f"{pins.parent.name}.txt"
        lines = (line.partition(" --hash")[0] for line in logical_lines(pins.read_text("utf-8")))
        bare.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        subjects[str(pins.relative_to(ROOT))] = ["--no-deps", "--disable-pip", "--requirement", str(bare)]
    codes = [ask(python, service, subject, options) for subject, options in subjects.items()]
    return 1 if 1 in codes else max(*codes, unpinned)


def look_at_pins(root: Path) -> int:
    """Print what in the repository at *root* has no checksum or fixed revision; return the exit code."""
    found = problems(root)
    for problem in found:
        print(f"not fixed: {problem}")
    reasons = Counter(ALLOWED.values())
    for reason, count in reasons.items():
        print(f"allowed, {count} times: {reason}")
    print(f"{len(found)} not fixed, {len(ALLOWED)} allowed with a reason", flush=True)
    return 1 if found else 0


def ask(python: Path, service: str, subject: str, options: list[str]) -> int:
    """Look up one set of packages, print the answer, and return the exit code for it."""
    command = [str(python), "-m", "pip_audit", "--vulnerability-service", service, "--skip-editable"]
    command += ["--progress-spinner", "off", "--format", "json", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        print(f"{subject}: no answer within {LIMIT_S} s")
        return CANNOT_TRY
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"{subject}: {(done.stderr.strip() or 'no answer').splitlines()[-1]}")
        return CANNOT_TRY
    return tell(subject, found)


def tell(subject: str, found: list[dict[str, Any]]) -> int:
    """Print the known vulnerabilities in pip-audit's JSON, and return the exit code for it.

    A mirror of PyPI often has packages and no vulnerabilities: pip-audit then skips them and is content.
    """
    asked = [package for package in found if "vulns" in package]
    skipped = [p["name"] for p in found if "vulns" not in p and "editable" not in p["skip_reason"]]
    for package in asked:
        for known in package["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version yet"
            print(f"{subject}: {package['name']} {package['version']}: {known['id']}, fixed in {fixed}")
    bad = sum(bool(package["vulns"]) for package in asked)
    print(f"{subject}: {len(asked)} packages asked about, {bad} with known vulnerabilities", flush=True)
    if skipped:
        print(f"{subject}: {len(skipped)} could not be asked about: {', '.join(skipped)}")
    if bad:
        return 1
    return CANNOT_TRY if skipped else 0


if __name__ == "__main__":
    sys.exit(main())

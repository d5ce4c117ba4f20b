"""Compare what is installed with the known vulnerabilities; needs a network to PyPI, or to OSV.

    .venv/bin/python scripts/audit.py              the environment .venv, and the pins of engines
    .venv/bin/python scripts/audit.py --service osv

Each plugin that has an environment of its own is checked by its pins, so that nothing is installed for it.
Exit status: 0 nothing is known, 1 something is, 77 about some package nobody could be asked.
Not part of scripts/test, because what is known changes without a change of ours.
"""

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from _conformance import environment

ROOT = Path(__file__).resolve().parent.parent
TOOL = "pip-audit>=2.9,<3"
CANNOT_TRY = 77
LIMIT_S = 600


def main() -> int:
    """Ask about everything; return the exit code."""
    parser = argparse.ArgumentParser(description="Look for packages with known vulnerabilities.")
    parser.add_argument("--service", choices=["pypi", "osv"], default="pypi", help="who is asked")
    service: str = parser.parse_args().service
    python = environment("audit", TOOL)
    subjects = {"the environment .venv": ["--path", sysconfig.get_path("purelib")]}
    for pins in sorted(ROOT.glob("plugins/*/src/*/engine-requirements.txt")):
        subjects[str(pins.relative_to(ROOT))] = ["--no-deps", "--disable-pip", "--requirement", str(pins)]
    codes = [ask(python, service, subject, options) for subject, options in subjects.items()]
    return 1 if 1 in codes else max(codes)


def ask(python: Path, service: str, subject: str, options: list[str]) -> int:
    """Ask about one set of packages, and print what is known; return the exit code for it."""
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
    """Print what is known about packages, as pip-audit's JSON tells it; return the exit code for it.

    A mirror of PyPI often has packages and no vulnerabilities: pip-audit then skips them and is content.
    """
    asked = [package for package in found if "vulns" in package]
    skipped = [p["name"] for p in found if "vulns" not in p and "editable" not in p["skip_reason"]]
    for package in asked:
        for known in package["vulns"]:
            mended = ", ".join(known["fix_versions"]) or "no version yet"
            print(f"{subject}: {package['name']} {package['version']}: {known['id']}, mended in {mended}")
    bad = sum(bool(package["vulns"]) for package in asked)
    print(f"{subject}: {len(asked)} packages asked about, {bad} with known vulnerabilities", flush=True)
    if skipped:
        print(f"{subject}: {len(skipped)} could not be asked about: {', '.join(skipped)}")
    if bad:
        return 1
    return CANNOT_TRY if skipped else 0


if __name__ == "__main__":
    sys.exit(main())

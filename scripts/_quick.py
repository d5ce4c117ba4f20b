"""Runs lint, types, and the tests that start no process and open no port, in about a minute.

Called by ``nox -s quick``. The folders choose the tests. Two steps run at a time, the longest first.
"""

import os
import sys
import time

from _steps import ROOT, table, two_at_a_time

FOLDERS = ("tests/unit", "tests/http")
PYTEST = ["-q", "--hypothesis-profile=quick", "-m", "not lengthy"]


def main() -> int:
    """Run all steps, print a table of them, and return the exit code."""
    os.chdir(ROOT)
    nox = [sys.executable, "-m", "nox", "--non-interactive", "--session"]
    commands = {folder: [*nox, "tests", "--", folder, *PYTEST] for folder in FOLDERS}
    commands |= {name: [*nox, name] for name in ("types", "lint")}
    started_s = time.monotonic()
    steps = two_at_a_time(commands)
    print(table(steps, time.monotonic() - started_s), flush=True)
    return 1 if any(step.failed for step in steps) else 0


if __name__ == "__main__":
    sys.exit(main())

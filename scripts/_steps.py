"""Run every task of noxfile.py and sum up; with arguments, run pytest alone with them.

Called by scripts/test in the environment .venv. The last line, ``N passed, N failed, N skipped``, is for CI.
Steps that do not depend on time run two at a time, and the output of each is printed when it ends. The tests
that watch running servers run alone, and so do those that start Ray.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import check_pythons

ROOT = Path(__file__).resolve().parent.parent
SLOWEST = "--durations=10"
RAY_TESTS = "deploy/ray/tests"
RAY_CLUSTERS = f"{RAY_TESTS}/cluster"
CANNOT_TRY = 77
"""Exit code of a step that names what this machine lacks for it. Source: Automake's tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One task that was run."""

    name: str
    passed: int
    failed: int
    """Tests that failed; at least 1 if the step failed in any way, so that a failed run never says 0."""
    skipped: int
    duration_s: float


def main(arguments: list[str]) -> int:
    """Run pytest with *arguments* if there are any, everything otherwise; return the exit code."""
    os.chdir(ROOT)
    # Hundreds of servers, workers and commands start; each would compile the hub again, for half a second.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PATH"] = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ.get("PATH", os.defpath)])
    if arguments:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
    nox = [sys.executable, "-m", "nox", "--non-interactive", "--session"]
    beside = {name: [*nox, name] for name in ("lint", "types", "site", "manifests", "docs", "conformance")}
    # The promise of the README: nothing that the hub or a CPU engine depends on brings torch down.
    beside["no torch"] = [
        sys.executable,
        "-c",
        "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') and 'torch is in .venv')",
    ]
    # The longest begin first, so that neither of two waits long for the other at the end.
    with_torch, others = plugins()
    beside |= {name: [*nox, f"plugin(dist={name!r})"] for name in with_torch}
    for version in check_pythons.others():
        beside[f"python {version}"] = [sys.executable, "scripts/check_pythons.py", version]
    beside["tests"] = [*nox, "tests", "--", "tests/unit", "tests/http", "tests/system", SLOWEST]
    # In the environments of the engines with torch, whose steps are over by now.
    beside["gpu check"] = [sys.executable, "scripts/check_gpu_pair.py"]
    beside["unhurried"] = [*nox, "tests", "--", "tests/e2e", "-m", "unhurried", SLOWEST]
    beside |= {name: [*nox, f"plugin(dist={name!r})"] for name in others}
    beside["ray"] = [*nox, "ray", "--", RAY_TESTS, f"--ignore={RAY_CLUSTERS}"]
    beside["clients"] = [*nox, "clients", "--", "--each-run"]
    last = {
        "getting started": [sys.executable, "scripts/check_getting_started.py"],
        "container": ["scripts/check_container"],
    }
    started_s = time.monotonic()
    steps = two_at_a_time(beside)
    rest = [f"--ignore=tests/{name}" for name in ("docs", "unit", "http", "system")]
    steps += [run("end to end", [*nox, "tests", "--", "tests", *rest, "-m", "not unhurried", SLOWEST])]
    steps += [run("ray clusters", [*nox, "ray", "--", RAY_CLUSTERS, SLOWEST])]
    steps += two_at_a_time(last)
    print(table(steps, time.monotonic() - started_s))
    passed, failed, skipped = (sum(getattr(s, f) for s in steps) for f in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def plugins() -> tuple[list[str], list[str]]:
    """Return the engine plugins that have packages of their own, which take long, and the others."""
    folders = [path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    pinned = [folder.name for folder in folders if [*folder.glob("src/*/engine-requirements.txt")]]
    return pinned, [folder.name for folder in folders if folder.name not in pinned]


def two_at_a_time(commands: Mapping[str, list[str]]) -> list[Step]:
    """Run steps two at a time: the smallest machine has two cores."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda name: run(name, commands[name], later=True), commands))


def run(name: str, command: list[str], *, later: bool = False) -> Step:
    """Run one step. Its output appears while it runs, or with *later* when it has ended."""
    if not later:
        print(f"\n━━ {name} ━━", flush=True)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as reports:
        environ = {**os.environ, "TEST_REPORTS": reports}
        done = subprocess.run(
            command,
            check=False,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if later else None,
            stderr=subprocess.STDOUT,
        )
        code = done.returncode
        total, failed, skipped = count(Path(reports))
    if later:
        print(f"\n━━ {name} ━━\n{done.stdout.decode(errors='replace')}", end="", flush=True)
    return Step(
        name=name,
        passed=total - failed - skipped,
        failed=max(failed, 1 if code not in (0, CANNOT_TRY) else 0),
        skipped=max(skipped, 1 if code == CANNOT_TRY else 0),
        duration_s=time.monotonic() - started_s,
    )


def count(reports: Path) -> tuple[int, int, int]:
    """Sum up pytest's JUnit reports in a folder: tests, failures and errors, skips."""
    total = failed = skipped = 0
    for report in reports.glob("*.xml"):
        for suite in ET.parse(report).iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return total, failed, skipped


def table(steps: list[Step], wall_s: float) -> str:
    """Return a table of the steps; its last line has the total time."""
    width = max(len(step.name) for step in steps)
    lines = [f"\n{'step':{width}}  result  passed  failed  skipped  seconds"]
    lines += [
        f"{step.name:{width}}  {'FAILED' if step.failed else 'ok':6}  {step.passed:6}  {step.failed:6}"
        f"  {step.skipped:7}  {step.duration_s:7.1f}"
        for step in steps
    ]
    lines.append(f"{'all':{width}}  {'':30}  {wall_s:7.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

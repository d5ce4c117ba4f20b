"""The contracts about imports and names: each one fails when it is broken."""

import ast
import itertools
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/speechhub"
RAY = ROOT / "deploy/ray"


def contracts(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]


def forbidden_by(folder, importers):
    """Return contract → imports that break it, for contracts that forbid modules."""
    found = [it for it in contracts(folder) if it["type"] == "forbidden"]
    return {
        contract["name"]: [
            (importer, imported.replace("*", "loop")) for imported in contract["forbidden_modules"]
        ]
        for contract, importer in zip(found, importers, strict=True)
    }


BREAKS = {
    "Imports point down only": [
        ("speechhub.lifecycle.timing", "speechhub.services.machine"),
        ("speechhub.services.machine", "speechhub.lifecycle.timing"),
        ("speechhub.lifecycle.switches", "speechhub.hub"),
    ],
    "No package imports in a circle": [("speechhub.lifecycle.loop", "speechhub.lifecycle.manager")],
    **forbidden_by(
        ROOT,
        (
            "speechhub.lifecycle.scheduler.batching",
            "speechhub.lifecycle.scheduler.batching",
            "speechhub.worker.victim",
            "speechhub.codecs.mono",
        ),
    ),
    **forbidden_by(RAY, ("speechhub_ray.waits", "speechhub_ray.direction", "speechhub_ray.exposition")),
}
"""Contract → imports that break it: importer, imported."""


CIRCLE = "No cycles are allowed in speechhub.lifecycle."


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Return what lint-imports says of a copy of the source in which all `BREAKS` are made, by project."""
    top = tmp_path_factory.mktemp("broken")
    for source in (SOURCE, RAY / "src/speechhub_ray"):
        shutil.copytree(source, top / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for importer, imported in itertools.chain(*BREAKS.values()):
        with (top / f"{importer.replace('.', '/')}.py").open("a", encoding="utf-8") as file:
            file.write(f"\nimport {imported}\n")
    return {folder: linted(top, folder / "pyproject.toml") for folder in (ROOT, RAY)}


def linted(top, config):
    """Return what lint-imports says of the packages in *top*."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, config, "--no-cache", "--no-logo"],
        cwd=top,
        capture_output=True,
        text=True,
        env={"COLUMNS": "1000"},
        check=False,
    )


@pytest.mark.parametrize(
    ("folder", "contract"), [(folder, it["name"]) for folder in (ROOT, RAY) for it in contracts(folder)]
)
def test_a_contract_that_is_broken_is_reported(verdicts, folder, contract):
    """import-linter sees each of the imports, those of the standard library too, and fails."""
    verdict = verdicts[folder]
    _, *sections = re.split(r"\n(\S[^\n]*)\n-+\n", verdict.stdout)
    told = dict(zip(sections[::2], sections[1::2], strict=True))

    assert verdict.returncode == 1
    for importer, imported in BREAKS[contract]:
        assert f"{importer} -> {imported} (l." in told[contract] or CIRCLE in told[contract]


def test_no_public_class_name_occurs_twice():
    """One word for one thing: who searches for a class finds one."""
    homes = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(path.relative_to(SOURCE).as_posix())
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1}

    assert twice == {}

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
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
FORBIDDEN = [it for it in CONTRACTS if it["type"] == "forbidden"]

BREAKS = {
    "Imports point down only": [
        ("speechhub.lifecycle.timing", "speechhub.services.machine"),
        ("speechhub.services.machine", "speechhub.lifecycle.timing"),
        ("speechhub.lifecycle.switches", "speechhub.hub"),
    ],
    "No package imports in a circle": [("speechhub.lifecycle.loop", "speechhub.lifecycle.manager")],
    **{
        contract["name"]: [
            (importer, imported.replace("*", "loop")) for imported in contract["forbidden_modules"]
        ]
        for contract, importer in zip(
            FORBIDDEN,
            (
                "speechhub.lifecycle.scheduler.batching",
                "speechhub.lifecycle.scheduler.batching",
                "speechhub.worker.victim",
                "speechhub.codecs.mono",
            ),
            strict=True,
        )
    },
}
"""Contract → imports that break it: importer, imported."""


CIRCLE = "No cycles are allowed in speechhub.lifecycle."


@pytest.fixture(scope="module")
def verdict(tmp_path_factory):
    """Return what lint-imports says of a copy of the source in which all `BREAKS` are made."""
    top = tmp_path_factory.mktemp("broken")
    shutil.copytree(SOURCE, top / "speechhub", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", top)
    for importer, imported in itertools.chain(*BREAKS.values()):
        with (top / f"{importer.replace('.', '/')}.py").open("a", encoding="utf-8") as file:
            file.write(f"\nimport {imported}\n")
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), top / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=top,
        capture_output=True,
        text=True,
        env={"COLUMNS": "1000"},
        check=False,
    )


@pytest.mark.parametrize("contract", [contract["name"] for contract in CONTRACTS])
def test_a_contract_that_is_broken_is_reported(verdict, contract):
    """import-linter sees each of the imports, those of the standard library too, and fails."""
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

"""docs/cuda.md: its tables are what the code chooses by."""

import re

from speechhub.environments.builds import BUILDS, PINNED, CudaCard, Driver, choose_build
from speechhub.errors import ConfigurationError
from tests.docs.pages import ROOT, page

GENERATION = re.compile(r"^\| (\w+) \| [^|]* \| (\d+)\.(\d) \| (\S+) \| (\S+) \| (\S+) \|$", re.MULTILINE)
PAGE = "cuda.md"


def row(build):
    capabilities = ", ".join(f"{major}.{minor}" for major, minor in build.capabilities)
    first, last = (".".join(map(str, it)) if it else "" for it in (build.first, build.last))
    return (
        f"| `{build.name}` | {build.oldest_driver} or newer | {capabilities}"
        f"{' and newer' if build.portable else ''} | {first} {f'to {last}' if last else 'and newer'} |"
    )


def test_the_table_of_builds_is_that_of_the_code():
    """In the same order, which is that of preference."""
    lines = page(PAGE).splitlines()

    start = lines.index(row(BUILDS[0]))

    assert lines[start : start + len(BUILDS)] == [row(build) for build in BUILDS]


def test_the_table_of_generations_is_what_is_chosen():
    """For each generation of cards, and each age of driver."""
    rows = GENERATION.findall(page(PAGE))
    assert len(rows) == 8

    for name, major, minor, *shown in rows:
        chosen = []
        for version in ("580.0", "570.0", "525.0"):
            driver = Driver(
                version=version, cards=(CudaCard(name=name, capability=(int(major), int(minor))),)
            )
            try:
                chosen.append(f"`{choose_build(driver).build}`")
            except ConfigurationError:
                chosen.append("none")
        assert shown == chosen, name


def test_the_release_of_the_tables_is_the_one_that_is_pinned():
    """Of each plugin that carries its pins."""
    pinned = [
        line
        for path in ROOT.glob("plugins/*/src/*/engine-requirements.txt")
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("torch==")
    ]

    assert len(pinned) == 2
    assert all(line.startswith(f"torch=={PINNED[0]}.{PINNED[1]}.") for line in pinned)

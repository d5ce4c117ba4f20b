"""The committed lock: complete, hashed, for every Python, and free of addresses."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import check_openai_node  # noqa: E402 - the path comes first
import check_upgrade  # noqa: E402
import lock  # noqa: E402

ENVIRONMENTS = lock.environments()
PINS = sorted(ROOT.glob("plugins/*/src/*/engine-requirements.txt"))
PYTHONS = ["3.11", "3.12", "3.13"]


def pinned(text, python):
    """Return the versions that a lock has for a Python on Linux, by package."""
    found = {}
    for block in lock.blocks(text):
        pin = Requirement(block.splitlines()[0].removesuffix("\\"))
        here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
        if pin.marker is None or pin.marker.evaluate(here):
            (specifier,) = pin.specifier
            found[canonicalize_name(pin.name)] = Version(specifier.version)
    return found


@pytest.mark.mission("12.6")
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_lock_holds_what_is_asked_for(name, python):
    """Each requirement of pyproject.toml is pinned, within its bounds, for each Python."""
    environment = ENVIRONMENTS[name]
    found = pinned((lock.FOLDER / f"{name}.txt").read_text("utf-8"), python)
    if environment.pins:
        found = pinned(environment.pins.read_text("utf-8"), python) | found
    engines_own = lock.names_in(environment.pins.read_text("utf-8")) if environment.pins else set()

    wrong = []
    for line in lock.wanted(environment):
        requirement = Requirement(line)
        version = found.get(canonicalize_name(requirement.name))
        if version is None or (
            canonicalize_name(requirement.name) not in engines_own and version not in requirement.specifier
        ):
            wrong.append(f"{line}: {version}")

    assert not wrong, "run scripts/lock.py"


@pytest.mark.parametrize(
    "path", [lock.FOLDER / f"{name}.txt" for name in ENVIRONMENTS] + PINS, ids=lambda p: p.name
)
def test_each_package_has_hashes_and_no_address(path):
    """Whatever index serves a file, it is the file that was tested; PyTorch's builds differ by index."""
    text = path.read_text("utf-8")

    bare = [block for block in lock.blocks(text) if "--hash=sha256:" not in block]

    assert all(lock.name_of(block) in lock.TORCH for block in bare), bare
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", text.split("\n", 4)[4])


def test_numpy_is_new_where_python_is():
    """Python 3.12 and newer get the release that broke once: the tests of each Python try it."""
    text = (lock.FOLDER / "serve.txt").read_text("utf-8")

    assert pinned(text, "3.13")["numpy"] >= Version("2.5") > pinned(text, "3.11")["numpy"]


def test_tests_run_what_is_served():
    """The versions in .venv do not depend on who asked first."""
    serve, test = ((lock.FOLDER / f"{name}.txt").read_text("utf-8") for name in ("serve", "test"))

    for python in PYTHONS:
        assert pinned(serve, python).items() <= pinned(test, python).items()


def test_the_image_with_ray_runs_what_the_image_without_it_runs():
    """It is built on top: a package of the hub's in another version would replace the tested one."""
    serve, ray, tested = (
        (lock.FOLDER / f"{name}.txt").read_text("utf-8") for name in ("serve", "ray-serve", "ray")
    )

    for python in PYTHONS:
        both, image = pinned(serve, python), pinned(ray, python)
        assert {name: image[name] for name in both.keys() & image.keys()}.items() <= both.items()
        assert image.items() <= (pinned(tested, python) | both).items()


def test_what_people_install_themselves_has_upper_bounds():
    """A wheel of ours, installed by pip alone, gets releases that the tests have seen."""
    projects = [
        ROOT / "pyproject.toml",
        *ROOT.glob("plugins/*/pyproject.toml"),
        ROOT / "deploy" / "ray" / "pyproject.toml",
    ]

    open_ended = [
        f"{path.parent.name}: {line}"
        for path in projects
        for line in tomllib.loads(path.read_text("utf-8"))["project"]["dependencies"]
        if not any(bound.operator in ("<", "==", "~=") for bound in Requirement(line).specifier)
    ]

    assert not open_ended


def test_the_hub_stays_light():
    """No package of the served environment is one of the heavy ones."""
    heavy = {"torch", "transformers", "pandas", "scipy", "librosa", "numba", "ray"}

    assert not heavy & lock.names_in((lock.FOLDER / "serve.txt").read_text("utf-8"))


@pytest.mark.parametrize(
    ("line", "free"),
    [
        ("numpy>=1.26,<2.6", "numpy>=1.26"),
        ("av<19,>=18", "av>=18"),
        ("openai[aiohttp]>=3.54", "openai[aiohttp]>=3.54"),
        ("foo==1.0; python_version<'3.12'", "foo==1.0; python_version<'3.12'"),
    ],
)
def test_the_upgrade_check_drops_upper_bounds_alone(line, free):
    """It looks for what the bounds keep out; a lower bound, an exact pin and a marker stay."""
    assert check_upgrade.unbounded(line) == free


@pytest.mark.parametrize(("oldest", "version"), check_openai_node.VERSIONS.items())
def test_the_client_for_javascript_is_the_locked_one(oldest, version):
    """The check says which version it ran; npm takes what the lock has."""
    lock_file = ROOT / "scripts" / "npm" / f"openai-node-{oldest}" / "package-lock.json"
    packages = json.loads(lock_file.read_text("utf-8"))["packages"]

    assert packages["node_modules/openai"]["version"] == version
    assert packages[""]["dependencies"] == {"openai": version}


def test_differences_name_the_package_and_both_versions():
    """A package that is new or gone is told as well."""
    assert check_upgrade.differences("a==1 \\\n    --hash=x\nb==1\n", "a==2\nc==3\n") == [
        "a: 1 → 2",
        "b: 1 → not there",
        "c: not there → 3",
    ]

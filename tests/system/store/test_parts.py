"""Models made of several repositories."""

import os
import shutil

import pytest

from speechhub.engine import HubSource, ModelFile, ModelPart, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store import ModelState, retry
from tests.fakes.model_store import CONFIG, WEIGHTS, sha256, spec, tree

OWN = {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}
EAR = b"ear" * 1000
ALIGNER = bytes(reversed(range(256))) * 1000
NEEDED = ModelPart(
    name="ear",
    folder="cache/ear",
    hub=HubSource(repo="other/ear"),
    files=(ModelFile(path="small/ear.bin", sha256=sha256(EAR), size_bytes=len(EAR)),),
    licence="MIT",
)
EXTRA = ModelPart(name="aligner", folder="aligner", hub=HubSource(repo="other/aligner"), optional=True)


@pytest.fixture
def hub(hub):
    """The hub, with the repositories of two parts: one file is needed of the first, and all of the second."""
    hub.others = {
        "other/ear": {"small/ear.bin": EAR, "large/ear.bin": b"too large", "README.md": b"x"},
        "other/aligner": {"model.bin": ALIGNER, "config.json": CONFIG},
    }
    return hub


@pytest.fixture
def model():
    own = spec(wheels=False)
    return ModelSpec(id=own.id, files=own.files, hub=own.hub, parts=(NEEDED, EXTRA))


@pytest.fixture
def store(hub, make_store):
    return make_store(endpoint=hub.address)


def repositories(hub):
    """Return whose files were downloaded, in order, each once."""
    return list(dict.fromkeys(path.partition("/resolve/")[0][1:] for path, _ in hub.downloads()))


def damage(path):
    """Flip a byte as a bad disk does it, without a trace in the file's times."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.mission("14.6")
def test_a_needed_part_comes_with_the_model(hub, store, model):
    """Its named files lie in its folder, and nothing of what was not asked for."""
    folder = store.resolve(model)

    assert tree(folder) == OWN | {"cache/ear/small/ear.bin": EAR}
    status = store.status(model)
    assert (status.state, status.parts) == (ModelState.READY, ())
    assert status.size_bytes == len(WEIGHTS) + len(CONFIG) + len(EAR)


@pytest.mark.mission("14.5")
def test_an_optional_part_comes_when_it_is_asked_for(hub, store, model):
    """A later pull adds it, and fetches nothing else again."""
    folder = store.resolve(model)
    hub.requests.clear()

    assert store.resolve(model, extras=["aligner"]) == folder

    assert tree(folder / "aligner") == {"model.bin": ALIGNER, "config.json": CONFIG}
    assert tree(folder).keys() > OWN.keys() | {"cache/ear/small/ear.bin"}
    assert repositories(hub) == ["other/aligner"]
    status = store.status(model)
    assert (status.state, status.parts) == (ModelState.READY, ("aligner",))
    assert status.size_bytes > len(WEIGHTS) + len(EAR) + len(ALIGNER)


def test_a_part_that_is_there_is_not_fetched_again(hub, store, model):
    """Asked for once more, nothing is asked of the hub."""
    store.resolve(model, extras=["aligner"])
    hub.requests.clear()

    store.resolve(model, extras=["aligner"])

    assert hub.requests == []


def test_progress_counts_all_parts_together(hub, store, model):
    """One total for the whole pull, reached at its end."""
    reports = []

    store.resolve(model, extras=["aligner"], on_progress=reports.append)

    sizes = len(WEIGHTS) + 2 * len(CONFIG) + len(EAR) + len(ALIGNER)
    assert {report.total_bytes for report in reports} == {sizes}
    assert reports[-1].done_bytes == sizes


def test_what_lacks_a_needed_part_is_not_ready(hub, store, model, make_store):
    """The status names the repository that is still wanted; offline, the model cannot be used."""
    folder = store.resolve(model)
    shutil.rmtree(folder / "cache")

    status = store.status(model)

    assert status.state is ModelState.HUB
    assert status.detail == "On the hub: other/ear."
    with pytest.raises(ModelFilesError, match=r"part 'ear' of model 'toy'.*SPEECHHUB_OFFLINE=false"):
        make_store(offline=True).resolve(model)


@pytest.mark.parametrize(
    "place", ["weights.bin", "sub/config.json", "cache/ear/small/ear.bin", "aligner/model.bin"]
)
def test_damage_is_found_and_healed_wherever_it_is(hub, store, model, place):
    """Verification names the file with its folder; the next pull fetches that file alone."""
    folder = store.resolve(model, extras=["aligner"])
    damage(folder / place)
    before = {path: data for path, data in tree(folder).items() if path != place}

    [problem] = store.verify(model)
    assert problem.startswith(f"{place} is damaged")
    assert store.status(model).state is ModelState.HUB
    assert store.verify(model), "once found, it stays a problem"
    hub.requests.clear()
    store.resolve(model)

    fetched = {path.rpartition("/")[2] for path, _ in hub.downloads()}
    without_digest = {"config.json"} if place.startswith("aligner") else set()
    assert fetched == {place.rpartition("/")[2]} | without_digest
    assert store.verify(model) == ()
    assert {path: data for path, data in tree(folder).items() if path != place} == before


def test_a_pull_that_was_cut_in_a_part_goes_on_there(hub, store, model):
    """What was in place before the cut stays, and the cut file is continued."""
    store.resolve(model)
    hub.cut_after = [100_000] + [0] * retry.MAX_IDLE_ATTEMPTS
    with pytest.raises(ModelFilesError, match="pull toy --with aligner"):
        store.resolve(model, extras=["aligner"])
    assert store.status(model).state is ModelState.READY, "the optional part is not there: nobody misses it"
    hub.cut_after = []
    hub.requests.clear()

    store.resolve(model, extras=["aligner"])

    assert [wanted for path, wanted in hub.downloads() if path.endswith(".bin")] == ["bytes=100000-"]
    assert store.verify(model) == ()


def test_all_parts_must_fit_before_anything_is_fetched(hub, store, model, monkeypatch):
    """Room for the model alone is not enough, and that is said at once."""
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, len(WEIGHTS) + len(EAR) + 1000)
    )

    with pytest.raises(ModelFilesError, match="needs 1 MB"):
        store.resolve(model, extras=["aligner"])

    assert hub.downloads() == []
    store.resolve(model)


def test_another_version_of_the_model_keeps_its_parts(hub, store, model):
    """When the model's own files are fetched anew, its parts stay where they are."""
    folder = store.resolve(model, extras=["aligner"])
    hub.files["v1/weights.bin"] = WEIGHTS[::-1]
    hub.requests.clear()
    newer = ModelSpec(
        id="toy", files=spec(wheels=False, weights=WEIGHTS[::-1]).files, hub=model.hub, parts=model.parts
    )

    store.resolve(newer)

    assert repositories(hub) == ["owner/toy"]
    assert tree(folder)["weights.bin"] == WEIGHTS[::-1]
    assert tree(folder)["aligner/model.bin"] == ALIGNER
    assert store.verify(newer) == ()


def test_a_part_of_two_models_is_fetched_once(hub, store, model):
    """The second has the same files, on the same space; removing the first leaves it whole."""
    first = store.resolve(model, extras=["aligner"])
    hub.others["other/twin"] = {"weights.bin": EAR}
    twin = ModelSpec(id="twin", hub=HubSource(repo="other/twin"), parts=(EXTRA,))
    hub.requests.clear()

    second = store.resolve(twin, extras=["aligner"])

    assert [path.rpartition("/")[2] for path, _ in hub.downloads()] == ["weights.bin", "config.json"]
    assert (second / "aligner/model.bin").samefile(first / "aligner/model.bin")
    store.remove(model)
    assert store.verify(twin) == ()


def test_removal_takes_the_parts_along(hub, store, model, tmp_path):
    """Nothing is left, unfinished downloads of parts included."""
    store.resolve(model)
    hub.cut_after = [100_000] + [0] * retry.MAX_IDLE_ATTEMPTS
    with pytest.raises(ModelFilesError):
        store.resolve(model, extras=["aligner"])

    assert store.remove(model) > len(WEIGHTS) + len(EAR) + 100_000

    assert tree(tmp_path / "models").keys() <= {".locks/toy"}


def test_a_part_that_the_model_has_not_is_an_error(store, model):
    """The message names those that there are."""
    with pytest.raises(ModelFilesError, match="has no part 'nose'; its parts: ear, aligner"):
        store.resolve(model, extras=["nose"])


def test_the_operators_folder_has_its_parts_itself(tmp_path, store, model):
    """A needed part must lie in the folder; an optional one is used if it does."""
    local = tmp_path / "mine"
    for name in ("weights.bin", "sub/config.json"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(b"mine")
    with pytest.raises(ModelFilesError, match=r"Part 'ear' .* no folder .*cache/ear"):
        store.resolve(model, local=local)
    (local / "cache/ear/small").mkdir(parents=True)
    (local / "cache/ear/small/ear.bin").write_bytes(EAR)

    assert store.resolve(model, local=local) == local
    with pytest.raises(ModelFilesError, match=r"Part 'aligner' .* no folder .*aligner"):
        store.resolve(model, local=local, extras=["aligner"])
    (local / "aligner").mkdir()
    assert store.status(model, local=local).parts == ("aligner",)


def test_a_model_may_be_parts_alone(hub, store, tmp_path):
    """A model without files of its own needs what its parts need."""
    model = ModelSpec(id="parts", parts=(NEEDED,))

    assert tree(store.resolve(model)) == {"cache/ear/small/ear.bin": EAR}
    assert store.status(model).state is ModelState.READY

"""What is published stays whole, and what is not whole is not published."""

import os
import shutil

import pytest

from speechhub.engine import ModelFile, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store import ModelState, digest, manifest
from speechhub.store.layout import safe_name
from tests.fakes.model_store import WEIGHTS, spec, tree


def test_a_model_without_files_has_no_folder(make_store):
    """An engine without weights gets None."""
    assert make_store().resolve(ModelSpec(id="echo")) is None
    assert make_store().status(ModelSpec(id="echo")).state is ModelState.READY


def test_the_operators_folder_is_used_as_it_is(tmp_path, make_store):
    """A local folder wins over everything and is only looked at."""
    local = tmp_path / "mine"
    (local / "sub").mkdir(parents=True)
    (local / "weights.bin").write_bytes(b"quantised by hand")
    (local / "sub/config.json").write_bytes(b"{}")

    assert make_store().resolve(spec(), local=local) == local
    assert make_store().status(spec(), local=local).origin == "folder"


@pytest.mark.parametrize(("name", "says"), [("nowhere", "no folder"), ("empty", r"has no weights\.bin")])
def test_a_wrong_folder_is_named(tmp_path, make_store, name, says):
    """A folder that is missing or incomplete is an error that says so."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(ModelFilesError, match=says):
        make_store().resolve(spec(), local=tmp_path / name)
    assert make_store().status(spec(), local=tmp_path / name).state is ModelState.MISSING


def test_later_resolves_do_not_read_the_weights(wheels, make_store, monkeypatch):
    """A published model is checked by its sizes and times alone."""
    folder = make_store().resolve(spec())
    monkeypatch.setattr(manifest, "sha256_of", lambda *_: pytest.fail("read the weights again"))

    assert make_store().resolve(spec()) == folder


def test_new_times_alone_do_no_harm(wheels, make_store, monkeypatch):
    """A restored backup is read once, found sound, and from then on trusted by its new times."""
    folder = make_store().resolve(spec())
    before = (folder / "weights.bin").stat().st_ino
    os.utime(folder / "weights.bin", (1, 1))

    make_store().resolve(spec())

    assert (folder / "weights.bin").stat().st_ino == before
    monkeypatch.setattr(manifest, "sha256_of", lambda *_: pytest.fail("read the weights again"))
    make_store().resolve(spec())


@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_a_damaged_copy_is_fetched_again(wheels, make_store, damage):
    """A file that was cut, deleted or changed is noticed, and the model is put in place anew."""
    folder = make_store().resolve(spec())
    weights = folder / "weights.bin"
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes(WEIGHTS[:100] if damage == "cut" else WEIGHTS[::-1])
    assert make_store().status(spec()).state is ModelState.WHEEL

    make_store(offline=True).resolve(spec())

    assert weights.read_bytes() == WEIGHTS


def test_another_version_is_another_model(wheels, make_store):
    """When the engine wants other weights than those in the store, the old ones are not used."""
    make_store().resolve(spec())

    with pytest.raises(ModelFilesError, match="damaged or was replaced"):
        make_store(offline=True).resolve(spec(weights=WEIGHTS[::-1]))


@pytest.mark.mission("14.10")
@pytest.mark.scenario("damaged-weights")
def test_verify_finds_a_flipped_bit_and_the_next_resolve_heals_it(wheels, make_store):
    """Verification reads everything; what it finds damaged is fetched again."""
    store = make_store(offline=True)
    folder = store.resolve(spec())
    assert store.verify(spec()) == ()
    weights = folder / "weights.bin"
    times = weights.stat()
    weights.write_bytes(b"\1" + WEIGHTS[1:])
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))

    [problem] = store.verify(spec())

    assert problem.startswith("weights.bin is damaged")
    assert (store.resolve(spec()) / "weights.bin").read_bytes() == WEIGHTS


def test_verify_needs_a_model(make_store):
    """What is not there cannot be verified."""
    with pytest.raises(ModelFilesError, match="not in the store"):
        make_store().verify(spec())


def test_remove_frees_the_space(wheels, make_store, tmp_path):
    """After a removal nothing of the model is left, and the number of bytes is told."""
    store = make_store()
    folder = store.resolve(spec())

    assert store.remove(spec()) >= len(WEIGHTS)

    assert not folder.exists()
    assert tree(tmp_path / "models").keys() <= {".locks/toy"}
    assert store.remove(spec()) == 0


@pytest.mark.scenario("disk-full-download")
def test_a_full_disk_is_noticed_before_it_is_full(wheels, make_store, monkeypatch):
    """A model that does not fit is refused with both numbers."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))

    with pytest.raises(ModelFilesError, match=r"needs 1 MB .* 0 MB are free"):
        make_store().resolve(spec())


def test_a_folder_that_cannot_be_made_is_named(wheels, make_store, tmp_path):
    """A models folder that is a file is an error with a way out."""
    (tmp_path / "models").write_text("in the way")

    with pytest.raises(ModelFilesError, match="SPEECHHUB_HOME"):
        make_store().resolve(spec())


@pytest.mark.parametrize("model_id", ["owner/model", "..", ".", ".hidden", "x" * 300, "ünï", "a\\b", "a%2Fb"])
def test_any_id_makes_a_plain_folder_name(model_id):
    """A model's id can neither leave the models folder nor hide in it."""
    name = safe_name(model_id)

    assert "/" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 255


def test_different_ids_have_different_folders():
    """Ids that look alike do not share a folder."""
    ids = ["a/b", "a%2Fb", "a_b", "x" * 300, "x" * 299 + "y", ".a", "%2Ea"]

    assert len({safe_name(model_id) for model_id in ids}) == len(ids)


def test_digest_counts_its_bytes(tmp_path):
    """The caller hears how far the reading has come."""
    (tmp_path / "file").write_bytes(WEIGHTS)
    counted = []

    digest.sha256_of(tmp_path / "file", counted.append)

    assert sum(counted) == len(WEIGHTS)


def test_a_declared_size_alone_is_checked(wheels, make_store):
    """Without a digest, the size decides."""
    files = tuple(
        ModelFile(path=file.path, size_bytes=(file.size_bytes or 0) + 1, wheel=file.wheel)
        for file in spec().files
    )

    with pytest.raises(ModelFilesError, match="damaged or was replaced"):
        make_store(offline=True).resolve(ModelSpec(id="toy", files=files))

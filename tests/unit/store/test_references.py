"""What engines keep of voices: where, how much, and how long."""

import os

import pytest

from speechhub.store import ReferenceCache

ANNA, BERT, GONE = "a" * 64, "b" * 64, "c" * 64
LIMIT = 1000


@pytest.fixture
def cache(tmp_path):
    return ReferenceCache(tmp_path / "features", limit_bytes=LIMIT, digests=lambda: {ANNA, BERT})


def keep(folder, name, *, size=100, used_s):
    """Write a file as an engine would, and say when it was used."""
    path = folder / name
    path.write_bytes(b"x" * size)
    os.utime(path, (used_s, used_s))


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_each_model_has_a_folder_of_its_own(cache, tmp_path):
    """For the operator alone to read, and whatever the model is called, below the root."""
    folders = [cache.folder(name) for name in ("indextts-2", "../../etc", "a/b", "a/b")]

    assert len(set(folders)) == 3
    for folder in folders:
        assert folder.is_dir()
        assert folder.parent == tmp_path / "features"
        assert folder.stat().st_mode & 0o077 == 0


def test_a_limit_of_zero_keeps_nothing(tmp_path):
    """There is no folder then."""
    cache = ReferenceCache(tmp_path / "features", limit_bytes=0, digests=set)

    assert cache.folder("model") is None
    assert not (tmp_path / "features").exists()


def test_a_disk_that_cannot_be_written_is_no_failure(tmp_path):
    """Engines then compute anew."""
    (tmp_path / "features").write_bytes(b"")

    assert ReferenceCache(tmp_path / "features", limit_bytes=9, digests=set).folder("model") is None


def test_files_go_with_their_voice(cache):
    """Of every model; and whatever does not begin with a voice's digest."""
    one, other = cache.folder("one"), cache.folder("other")
    for folder in (one, other):
        keep(folder, f"{ANNA}.pt", used_s=1)
        keep(folder, f"{GONE}.pt", used_s=2)
    keep(one, "notes.txt", used_s=3)
    keep(one, f"{GONE}.new", used_s=3)

    cache.sweep()

    assert names(one) == names(other) == {f"{ANNA}.pt"}


def test_what_was_used_longest_ago_goes_first(cache):
    """Whichever model it is of; use counts, not age."""
    one, other = cache.folder("one"), cache.folder("other")
    keep(one, f"{ANNA}.pt", size=400, used_s=1)
    keep(other, f"{ANNA}.pt", size=400, used_s=2)
    keep(other, f"{BERT}.pt", size=400, used_s=3)

    cache.used("one", [ANNA, GONE])
    cache.sweep()

    assert names(one) == {f"{ANNA}.pt"}
    assert names(other) == {f"{BERT}.pt"}


def test_to_sweep_what_is_not_there_is_fine(cache):
    """Before any engine has kept anything."""
    cache.sweep()
    cache.used("model", [ANNA])

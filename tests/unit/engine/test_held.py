"""What `prepare` has ready for `load`: good as long as nothing that it was made from has changed."""

import os

import pytest

from speechhub.engine import Held, LoadContext, may_hold, stamp_of


@pytest.fixture
def folder(tmp_path):
    """A model's folder, with a folder in it, and links: upwards, to a cache, to nowhere."""
    made = tmp_path / "model"
    (made / "part").mkdir(parents=True)
    (made / "a.bin").write_bytes(b"a")
    (made / "part" / "b.bin").write_bytes(b"b")
    (made / "part" / "up").symlink_to(made)
    (made / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "d.bin").write_bytes(b"d")
    (made / "linked").symlink_to(tmp_path / "cache")
    return made


def context(folder, **how):
    how = {"model": "m", "model_dir": folder, "device": "cuda:0", "options": {"dtype": "auto"}} | how
    return LoadContext(**how)


def test_what_is_kept_is_given_once(folder):
    held = Held()
    held.keep(stamp_of(context(folder, host_memory_bytes=5)), "weights")

    assert held.take(stamp_of(context(folder, memory_bytes=7))) == "weights"
    assert held.take(stamp_of(context(folder))) is None


def rewrite(path):
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(0, 0))


def grow(path):
    state = path.stat()
    path.write_bytes(b"longer")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def replace(path):
    state = path.stat()
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    os.utime(new, ns=(state.st_atime_ns, state.st_mtime_ns))
    new.replace(path)


@pytest.mark.parametrize("change", [rewrite, grow, replace, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["a.bin", "part/b.bin", "linked/d.bin"])
def test_changed_files_are_no_longer_those(folder, change, name):
    """By time, by size, by being another file under the name, by being gone; and what was held is let go."""
    held = Held()
    held.keep(stamp_of(context(folder)), "weights")
    before = stamp_of(context(folder))
    change(folder / name)

    assert held.take(stamp_of(context(folder))) is None
    assert held.take(before) is None


@pytest.mark.parametrize("how", [{"model": "n"}, {"device": "cuda:1"}, {"options": {"dtype": "float16"}}])
def test_what_was_made_for_something_else_is_not_given(folder, how):
    held = Held()
    held.keep(stamp_of(context(folder)), "weights")

    assert held.take(stamp_of(context(folder, **how))) is None


def test_each_file_counts_once_and_under_its_name(folder):
    """A link upwards is not followed, and a file that has another name is another one."""
    before = stamp_of(context(folder))
    assert len(before.files) == 3

    (folder / "a.bin").rename(folder / "c.bin")

    assert before != stamp_of(context(folder))


@pytest.mark.parametrize(("one", "other"), [({"a": 1, "b": 2}, {"b": 2, "a": 1})])
def test_the_order_of_options_does_not_count(one, other):
    assert stamp_of(context(None, options=one)) == stamp_of(context(None, options=other))
    assert stamp_of(context(None, options={"a": 1})) != stamp_of(context(None, options={"a": "1"}))


def test_other_folders_count(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.bin").write_bytes(b"c")
    before = stamp_of(context(folder), other)
    assert before == stamp_of(context(folder), other)

    grow(other / "c.bin")

    assert before != stamp_of(context(folder), other)


@pytest.mark.parametrize(
    ("device", "room", "may"),
    [
        ("cuda:0", 10, True),
        ("cuda:0", 9, False),
        ("cuda:0", 0, False),
        ("cuda:0", None, False),
        ("cpu", 10, False),
    ],
)
def test_room(device, room, may):
    """As much as the host gives; on a CPU none, whatever it gives."""
    assert may_hold(context(None, device=device, host_memory_bytes=room), 10) is may

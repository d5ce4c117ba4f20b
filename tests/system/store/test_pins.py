"""What the operator pinned is what later pulls bring, or nothing."""

import json
import os
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from speechhub.engine import HubSource, ModelFile, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store import ModelState
from speechhub.store.sites import HuggingFace, ModelScope
from tests.fakes.model_store import CONFIG, WEIGHTS, FakeHub, sha256, spec, tree

OURS = {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}
OTHERS = bytes(reversed(WEIGHTS))
NEXT = "e" * 40
SOURCE = HubSource(repo="owner/toy", prefix="v1/")
WHOLE = ModelSpec(id="toy", hub=SOURCE)
NAMED = ModelSpec(
    id="toy", hub=SOURCE, files=(ModelFile(path="weights.bin"), ModelFile(path="sub/config.json"))
)
HELD = [f"owner/toy@{'c' * 40}"]


@pytest.fixture(params=[WHOLE, NAMED], ids=["whole repository", "declared files"])
def model(request):
    """A model of a branch, whose engine knows no checksums."""
    return request.param


@pytest.fixture
def store(hub, make_store):
    return make_store(endpoint=hub.address)


@pytest.fixture
def pinned(store, model):
    """The model in place, and pinned."""
    store.resolve(model)
    store.pin(model)
    return store


def pin_file(tmp_path):
    [path] = (tmp_path / "models" / ".pins").iterdir()
    return path


def test_a_pinned_model_comes_back_as_it_was(hub, pinned, model):
    """The branch has moved on; the pull asks for the commit that was pinned."""
    pinned.remove(model)
    hub.move(NEXT, weights_bin=OTHERS)

    assert tree(pinned.resolve(model)) == OURS
    status = pinned.status(model)
    assert (status.state, list(status.pinned), status.moving) == (ModelState.READY, HELD, ())


def test_without_a_pin_the_branch_decides(hub, store, model):
    """What the pin is for: the same pull brings other files."""
    store.resolve(model)
    store.remove(model)
    hub.move(NEXT, weights_bin=OTHERS)

    assert tree(store.resolve(model))["weights.bin"] == OTHERS
    assert store.status(model).moving == ("owner/toy@main",)


def test_a_commit_with_other_files_is_refused(hub, pinned, model):
    """A hub or mirror that serves something else under the pinned commit gets nothing into place."""
    pinned.remove(model)
    hub.files["v1/sub/config.json"] = b'{"kind": "bad"}'

    with pytest.raises(ModelFilesError, match="not the expected file"):
        pinned.resolve(model)
    assert pinned.status(model).path is None


def test_what_is_in_place_stays(hub, pinned, model):
    """Pinning fetches nothing, and neither does the next use."""
    asked = len(hub.requests)

    pinned.resolve(model)
    pinned.pin(model)

    assert len(hub.requests) == asked


def test_pinning_needs_no_network(hub, store, make_store, model):
    """The manifest remembers which commit the branch stood for."""
    store.resolve(model)
    hub.gone = True

    [told] = make_store(offline=True).pin(model)

    assert told == f"model 'toy' is pinned to {HELD[0]}, 2 files by their SHA-256"


def test_a_changed_file_is_damage_and_never_pinned(tmp_path, store, model):
    """Only what is whole can be pinned."""
    (store.resolve(model) / "weights.bin").write_bytes(OTHERS[:-1])

    with pytest.raises(ModelFilesError, match=r"not in place: weights\.bin has .* Pull the model first"):
        store.pin(model)
    assert not (tmp_path / "models" / ".pins").exists()


def test_what_was_never_fetched_cannot_be_pinned(store, model):
    """There is nothing to learn from."""
    with pytest.raises(ModelFilesError, match=r"not in place\. Pull the model first"):
        store.pin(model)


def test_a_pin_is_taken_back(hub, pinned, model):
    """Then the branch decides again, at once."""
    hub.move(NEXT, weights_bin=OTHERS)
    pinned.remove(model)
    pinned.resolve(model)

    assert pinned.unpin(model)
    assert tree(pinned.resolve(model))["weights.bin"] == OTHERS
    assert not pinned.unpin(model)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"key": "toy"}', "commit", "path", "digest"],
    ids=["empty", "cut", "a list", "incomplete", "no commit", "a path that leads out", "no digest"],
)
def test_a_pin_that_cannot_be_read_stops_downloads_alone(tmp_path, hub, pinned, model, content):
    """What is in place is used; nothing comes down, since nothing tells what may."""
    path = pin_file(tmp_path)
    if isinstance(content, str):
        pin = json.loads(path.read_bytes())
        if content == "commit":
            pin["commit"] = "../../../etc"
        else:
            pin["files"][0] |= {"path": {"path": "../../x"}, "digest": {"sha256": "0" * 63}}[content]
        content = json.dumps(pin).encode()
    path.write_bytes(content)

    assert pinned.resolve(model) is not None
    [fault] = pinned.status(model).pin_faults
    assert str(path) in fault
    pinned.remove(model)
    asked = len(hub.requests)
    with pytest.raises(ModelFilesError, match=r"cannot be read .*--no-pin"):
        pinned.resolve(model)
    assert len(hub.requests) == asked
    with pytest.raises(ModelFilesError, match="cannot be pinned"):
        pinned.pin(model)
    assert pinned.unpin(model)
    assert tree(pinned.resolve(model)) == OURS


def test_a_pin_that_never_ends_is_not_waited_for(tmp_path, pinned, model):
    """A pipe in its place would hold up every list and every pull."""
    path = pin_file(tmp_path)
    path.unlink()
    os.mkfifo(path)

    assert pinned.status(model).pin_faults


def test_a_copy_of_the_pinned_commit_outlives_a_broken_pin(tmp_path, hub, pinned, model):
    """Fetched under the pin, it is of a commit and not of the branch; that is no reason to drop it."""
    pinned.remove(model)
    pinned.resolve(model)
    pin_file(tmp_path).write_bytes(b"")
    asked = len(hub.requests)

    assert tree(pinned.resolve(model)) == OURS
    assert len(hub.requests) == asked


def test_a_broken_pin_concerns_no_other_model(tmp_path, pinned, model):
    """Each has a file of its own."""
    pin_file(tmp_path).write_bytes(b"")

    assert tree(pinned.resolve(replace(model, id="other"))) == OURS


def test_an_engine_that_names_another_source_is_followed(hub, pinned, model):
    """The pin was made for another repository or revision, and has no say."""
    hub.others["owner/new"] = {"v1/weights.bin": OTHERS, "v1/sub/config.json": CONFIG}
    moved = replace(model, hub=HubSource(repo="owner/new", prefix="v1/"))

    assert tree(pinned.resolve(moved))["weights.bin"] == OTHERS
    assert pinned.status(moved).moving == ("owner/new@main",)


@pytest.mark.parametrize("changed", ["revision", "digests"])
def test_what_the_engine_fixes_needs_no_pin(tmp_path, hub, store, changed):
    """A commit, or a checksum for each file."""
    model = (
        spec(wheels=False) if changed == "digests" else replace(NAMED, hub=replace(SOURCE, revision="c" * 40))
    )
    store.resolve(model)

    assert store.pin(model) == ()
    assert store.status(model).moving == ()
    assert not (tmp_path / "models" / ".pins").exists()


def test_one_file_without_a_checksum_leaves_the_model_open(hub, store):
    """Half a checksum is none."""
    first, second = spec(wheels=False).files
    model = replace(NAMED, files=(first, replace(second, sha256=None)))
    store.resolve(model)

    assert store.status(model).moving == ("owner/toy@main",)
    assert sha256(WEIGHTS) == model.files[0].sha256


def test_modelscope_knows_no_commits(hub, make_store, model):
    """Its branch is pinned by checksums, which hold for Hugging Face's hub, too."""
    store = make_store(sites=[ModelScope(hub.address), HuggingFace("http://127.0.0.1:9")])
    store.resolve(model)
    [told] = store.pin(model)
    store.remove(model)
    elsewhere = make_store(endpoint=hub.address)

    assert "their commit is not known" in told
    assert tree(elsewhere.resolve(model)) == OURS
    elsewhere.remove(model)
    hub.move(NEXT, weights_bin=OTHERS)
    with pytest.raises(ModelFilesError, match="not the expected file"):
        elsewhere.resolve(model)


def test_files_pinned_by_a_commit_may_come_from_modelscope(hub, pinned, make_store, model):
    """Each has a checksum, so it does not matter that ModelScope knows no commits of Hugging Face's."""
    pinned.remove(model)

    assert tree(make_store(sites=[ModelScope(hub.address)]).resolve(model)) == OURS


def test_optional_parts_are_pinned_once_they_are_there(hub, store, model):
    """Each part has a pin of its own; the model is pinned when all are."""
    from .test_parts import EXTRA

    hub.others["other/aligner"] = {"model.bin": OTHERS}
    whole = replace(model, parts=(EXTRA,))
    store.resolve(whole)
    assert len(store.pin(whole)) == 1
    store.resolve(whole, extras=["aligner"])

    assert store.status(whole).moving == ("other/aligner@main",)
    assert len(store.pin(whole)) == 2
    assert store.status(whole).moving == ()


def test_a_moving_branch_is_logged_with_its_commit(store, model):
    """So that the log tells later what came, and what to do about it."""
    with capture_logs() as logs:
        store.resolve(model)

    [line] = [it for it in logs if "can change" in it["event"]]
    assert line["log_level"] == "warning"
    assert (line["source"], line["commit"]) == ("owner/toy@main", FakeHub.commit)
    assert "models pull toy --pin" in line["advice"]


def test_a_pinned_pull_is_not_warned_about(pinned, model):
    """There is nothing left to do."""
    pinned.remove(model)

    with capture_logs() as logs:
        pinned.resolve(model)

    assert not [it for it in logs if it["log_level"] == "warning"]

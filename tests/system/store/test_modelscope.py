"""ModelScope asked first, and Hugging Face's hub for what it has not."""

import pytest

from speechhub.engine import HubSource, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store.sites import HuggingFace, ModelScope
from tests.fakes.model_store import CONFIG, WEIGHTS, spec, tree

OURS = {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}
COMMIT = "d" * 40


@pytest.fixture(autouse=True)
def token(monkeypatch):
    """A token for Hugging Face, which is nobody else's business."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


@pytest.fixture
def model():
    return spec(wheels=False)


@pytest.fixture
def store(hub, make_store):
    """A store that asks ModelScope, and then nobody who answers."""
    return make_store(sites=[ModelScope(f"{hub.address}/"), HuggingFace("http://127.0.0.1:9")])


def asked(hub):
    """Return which protocols were spoken, in order, each once."""
    kinds = [
        "scope" if path.startswith("/api/v1/") else "face" for path, _ in hub.requests if "/api/" in path
    ]
    return list(dict.fromkeys(kinds))


def test_files_come_from_modelscope(hub, store, model):
    """By its listing and its addresses, without a token; and Hugging Face is not asked."""
    folder = store.resolve(model)

    assert tree(folder) == OURS
    assert store.verify(model) == ()
    assert asked(hub) == ["scope"]
    assert hub.tokens == set()


def test_the_whole_repository(hub, store):
    """Folders in the listing are no files."""
    folder = store.resolve(ModelSpec(id="whole", hub=HubSource(repo="owner/toy", prefix="v1/")))

    assert tree(folder) == OURS


def test_a_repository_may_have_another_name_there(hub, store):
    """The source says so."""
    hub.others = {"copies/of-it": {"a b+c.bin": WEIGHTS}}

    source = HubSource(repo="owner/it", modelscope="copies/of-it")

    assert tree(store.resolve(ModelSpec(id="it", hub=source))) == {"a b+c.bin": WEIGHTS}


def test_a_cut_connection_is_continued(hub, store, model):
    """As with any hub."""
    hub.cut_after = [300_000]

    store.resolve(model)

    assert [wanted for path, wanted in hub.downloads() if path.endswith(".bin")] == [None, "bytes=300000-"]


def test_what_modelscope_has_not_comes_from_hugging_face(hub, make_store):
    """A mirror is never alone."""
    hub.others = {"owner/rare": {"x": CONFIG}}
    store = make_store(sites=[ModelScope("http://127.0.0.1:9"), HuggingFace(hub.address, named=True)])

    folder = store.resolve(ModelSpec(id="rare", hub=HubSource(repo="owner/rare")))

    assert tree(folder) == {"x": CONFIG}
    assert asked(hub) == ["face"]
    assert hub.tokens == {"Bearer hf_secret"}


def test_another_version_there_does_not_do(hub, make_store, model):
    """A file whose digest is not the declared one is refused by the listing, before gigabytes have come."""
    other = make_store(sites=[ModelScope(hub.address)])
    hub.files["v1/weights.bin"] = WEIGHTS[::-1]

    with pytest.raises(ModelFilesError, match=r"weights\.bin .* is not the expected file"):
        other.resolve(model)

    assert hub.downloads() == []


@pytest.mark.parametrize(("declared", "expected"), [(True, ["scope"]), (False, ["face"])])
def test_a_commit_is_known_by_its_digests(hub, make_store, declared, expected):
    """ModelScope has other commits: its files do where all digests are declared; else it is not asked."""
    hub.commit = COMMIT
    files = spec(wheels=False).files if declared else ()
    source = HubSource(repo="owner/toy", prefix="v1/", revision=COMMIT)
    store = make_store(sites=[ModelScope(hub.address), HuggingFace(hub.address)])

    assert tree(store.resolve(ModelSpec(id="toy", hub=source, files=files))) == OURS
    assert asked(hub) == expected


def test_both_that_fail_are_named(make_store, model):
    """The error says of each hub why it did not do."""
    store = make_store(sites=[ModelScope("http://127.0.0.1:9"), HuggingFace("http://127.0.0.1:10")])

    with pytest.raises(ModelFilesError, match=r"127\.0\.0\.1:9 failed.*127\.0\.0\.1:10 failed"):
        store.resolve(model)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"Code": 200, "Data": {"Files": [{"Path": "x"}]}}'])
def test_another_server_is_told_from_modelscope(hub, store, model, monkeypatch, body):
    """A page where an answer should be is an error that says so, at once."""
    monkeypatch.setattr("tests.fakes.model_store.json.dumps", lambda _: body.decode())

    with pytest.raises(ModelFilesError, match="does not speak ModelScope's protocol"):
        store.resolve(model)

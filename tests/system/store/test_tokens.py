"""The token of a model hub goes where it was named for, and nowhere else."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from speechhub.engine import HubSource, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store.hub import Listing, ModelHub, RemoteFile
from speechhub.store.sites import HuggingFace, ModelScope, may_carry_token
from tests.fakes.model_store import spec

TOKEN = "hf_hush"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.mark.parametrize(
    ("address", "named", "carries"),
    [
        ("https://huggingface.co", False, True), ("https://huggingface.co/", True, True),
        ("https://HuggingFace.co:443", False, True),
        ("http://huggingface.co", False, False), ("http://huggingface.co", True, False),
        ("https://huggingface.co.evil.example", False, False), ("https://evil-huggingface.co", False, False),
        ("https://huggingface.co@evil.example", True, False),
        ("https://evil.example\\@huggingface.co", False, False),
        ("https://hub.example", True, True), ("https://hub.example", False, False),
        ("http://hub.example", True, False), ("http://10.0.0.7", True, False),
        ("http://127.0.0.1:9000", True, True), ("http://[::1]:9000", True, True),
        ("http://localhost:9", True, True), ("huggingface.co", True, False),
        ("http://localhost.evil.example", True, False), ("http://127.0.0.1.evil.example", True, False),
        ("http://127.0.0.1:9000", False, False), ("ftp://huggingface.co", True, False),
    ],
)  # fmt: skip
def test_where_a_token_may_go(address, named, carries):
    """By https to Hugging Face, or to the hub that was named; without https to this machine alone."""
    assert may_carry_token(address, named=named) is carries
    assert ("authorization" in HuggingFace(address, named=named).headers()) is carries


@pytest.mark.parametrize("named", [True, False])
def test_listing_and_files_carry_it_alike(hub, make_store, named):
    """A hub that the operator did not name sees no token, neither with the listing nor with a file."""
    make_store(sites=[HuggingFace(hub.address, named=named)]).resolve(spec(wheels=False))

    assert hub.tokens == ({f"Bearer {TOKEN}"} if named else set())


def test_modelscope_never_sees_it(hub, make_store):
    """Hugging Face's token is none of ModelScope's."""
    make_store(sites=[ModelScope(hub.address)]).resolve(ModelSpec(id="toy", hub=HubSource(repo="owner/toy")))

    assert hub.tokens == set()


def test_a_redirect_takes_it_nowhere(hub, other_hub, make_store):
    """Where a hub sends us on to another host, the token stays behind."""
    hub.leads_to = other_hub.address

    make_store(sites=[HuggingFace(hub.address, named=True)]).resolve(spec(wheels=False))

    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert other_hub.downloads()
    assert other_hub.tokens == set()


def test_a_way_on_without_https_is_not_taken(monkeypatch, tmp_path):
    """What https began, http does not end: others could change it on its way."""
    answer = SimpleNamespace(url=SimpleNamespace(scheme="http"), status_code=200)
    session = SimpleNamespace(stream=lambda *_, **__: nullcontext(answer))
    monkeypatch.setattr("huggingface_hub.get_session", lambda: session)
    file = RemoteFile(path="x", name="x", url="https://hub.example/x", size_bytes=None, sha256=None)
    listing = Listing(commit="c" * 40, files=(file,), address="https://hub.example")

    with pytest.raises(ModelFilesError, match="from https to an address without"):
        ModelHub([]).download(listing, file, tmp_path / "x", lambda n_bytes: None)

    assert not (tmp_path / "x").exists()


def test_a_token_that_was_held_back_is_told(hub, make_store):
    """Who has a token, and a hub that hides what it has, learns why the two did not meet."""
    model = ModelSpec(id="toy", hub=HubSource(repo="owner/hidden"))

    with pytest.raises(ModelFilesError, match=r"HF_TOKEN is not sent there.*SPEECHHUB_HF_ENDPOINT"):
        make_store(sites=[HuggingFace(hub.address)]).resolve(model)

    with pytest.raises(ModelFilesError, match="no such repository"):
        make_store(sites=[HuggingFace(hub.address, named=True)]).resolve(model)

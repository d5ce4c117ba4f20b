"""Downloads from a hub that is not always well."""

import os
import sys
import threading
from contextlib import suppress

import pytest
from huggingface_hub import close_session

from speechhub.engine import HubSource, ModelSpec
from speechhub.errors import ModelFilesError
from speechhub.store import ModelState, retry
from speechhub.store.sites import HuggingFace, ModelScope
from tests.fakes.model_store import CONFIG, WEIGHTS, spec, tree


@pytest.fixture
def model():
    return spec(wheels=False)


def test_declared_files_are_fetched(hub, make_store, model):
    """The files arrive under the model's own names, without the repository's prefix."""
    folder = make_store(endpoint=hub.address).resolve(model)

    assert tree(folder) == {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}
    assert make_store(offline=True).status(model).origin == "hub:owner/toy@main:v1/"


def test_a_published_model_needs_no_hub(hub, make_store, model):
    """After the first pull nothing is asked of the hub again."""
    make_store(endpoint=hub.address).resolve(model)
    asked = len(hub.requests)

    make_store(endpoint=hub.address).resolve(model)

    assert len(hub.requests) == asked


def test_the_whole_repository_when_no_files_are_declared(hub, make_store):
    """Everything under the prefix is fetched, hidden files and other folders are not."""
    hub.files |= {"v1/.gitattributes": b"x", "v2/other.bin": b"y", "README.md": b"z"}
    model = ModelSpec(id="whole", hub=HubSource(repo="owner/toy", prefix="v1/"))

    folder = make_store(endpoint=hub.address).resolve(model)

    assert tree(folder) == {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}


def test_offline_wins(hub, make_store, model):
    """With SPEECHHUB_OFFLINE no connection is attempted."""
    store = make_store(endpoint=hub.address, offline=True)

    assert store.status(model).state is ModelState.MISSING
    with pytest.raises(ModelFilesError, match="SPEECHHUB_OFFLINE=false"):
        store.resolve(model)

    assert hub.requests == []


@pytest.mark.scenario("broken-proxy")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("https_proxy", "http://anna:s3cret@127.0.0.1:9", r"through the proxy http://127.0.0.1:9 \(https_pr"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", "ALL_PROXY names .* -m pip install socksio"),
        ("http_proxy", "socks4://anna:s3cret@127.0.0.1:9", "http_proxy names 'socks4://127.0.0.1:9'"),
        ("HTTPS_PROXY", "http://[::1", "HTTPS_PROXY names"),
    ],
)
def test_a_proxy_that_does_not_work_is_named(make_store, model, monkeypatch, name, value, said):
    """The variable is what can be changed; the message never tells its password."""
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, value)
    close_session()

    with pytest.raises(ModelFilesError, match=said) as caught:
        make_store(endpoint="https://hub.example.org").resolve(model)

    close_session()
    assert "s3cret" not in caught.value.message


@pytest.mark.mission("14.8")
@pytest.mark.scenario("download-breaks-off")
def test_a_cut_connection_is_continued(hub, make_store, model, naps):
    """After a cut the download goes on from the byte where it stopped."""
    hub.cut_after = [300_000]

    folder = make_store(endpoint=hub.address).resolve(model)

    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert [wanted for path, wanted in hub.downloads() if path.endswith(".bin")] == [None, "bytes=300000-"]
    assert naps == [1.0]


def test_a_pull_that_gave_up_is_continued_by_the_next(hub, make_store, model):
    """What a failed pull has got is kept, never published, and completed by the next pull."""
    hub.cut_after = [300_000] + [0] * retry.MAX_IDLE_ATTEMPTS
    store = make_store(endpoint=hub.address)
    with pytest.raises(ModelFilesError, match="failed to download v1"):
        store.resolve(model)
    assert store.status(model).state is ModelState.HUB
    hub.cut_after, hub.requests = [], []
    reports = []

    folder = store.resolve(model, on_progress=reports.append)

    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert hub.downloads()[0][1] == "bytes=300000-"
    assert reports[0].done_bytes == 300_000
    assert reports[-1].done_bytes == reports[-1].total_bytes


def test_a_server_without_ranges_starts_anew(hub, make_store, model):
    """If the server sends the whole file again, the pieces are not glued together."""
    hub.cut_after, hub.ignore_ranges = [300_000], True

    folder = make_store(endpoint=hub.address).resolve(model)

    assert (folder / "weights.bin").read_bytes() == WEIGHTS


@pytest.mark.mission("14.8")
def test_a_busy_server_is_asked_again_when_it_says(hub, make_store, model, naps):
    """429 and 503 are waited out, for as long as Retry-After says."""
    hub.statuses = [429, 503]
    reports = []

    make_store(endpoint=hub.address).resolve(model, on_progress=reports.append)

    assert naps == [7.0, 7.0]
    said = [report.waiting for report in reports if report.waiting]
    assert [line.rpartition(": ")[2] for line in said] == [
        "it answers 429; trying again in 7 s",
        "it answers 503; trying again in 7 s",
    ]


def test_a_bad_beginning_is_fetched_again(hub, make_store, model, tmp_path):
    """A resumed file with the wrong digest is fetched once more from its beginning."""
    partial = tmp_path / "models" / ".staging" / "toy.hub" / hub.commit / "weights.bin"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"\xff" * 1000)

    folder = make_store(endpoint=hub.address).resolve(model)

    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert [wanted for _, wanted in hub.downloads()][:2] == ["bytes=1000-", None]


@pytest.mark.mission("14.10")
def test_a_wrong_file_is_refused(hub, make_store, model, tmp_path):
    """A file that is not what the engine declared is never published."""
    hub.files["v1/weights.bin"] = WEIGHTS[::-1]

    with pytest.raises(ModelFilesError, match=r"weights\.bin .*is not the expected file"):
        make_store(endpoint=hub.address).resolve(model)

    assert not (tmp_path / "models" / "toy").exists()


def test_an_address_without_a_scheme_is_no_address(make_store, model, naps):
    """The variables that may hold it are named, and it is not tried again."""
    with pytest.raises(ModelFilesError) as caught:
        make_store(endpoint="hf-mirror.com").resolve(model)

    told = str(caught.value)
    assert "the hub hf-mirror.com failed to list owner/toy: its address, from SPEECHHUB_HF_ENDPOINT, " in told
    assert "HF_ENDPOINT, must begin with https:// or http://. To fix it: " in told
    assert naps == []


def test_an_error_s_own_period_ends_one_sentence(hub, make_store, model, naps):
    """It is not followed by another one."""
    hub.gone = True

    with pytest.raises(ModelFilesError, match=r"without sending a response\. To fix it: "):
        make_store(endpoint=hub.address).resolve(model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"repo": "owner/nothing"}, "no such repository"),
        ({"prefix": "v3/"}, "has no file v3/weights.bin"),
        ({"repo": "not a repo"}, "not a repo"),
    ],
)
def test_what_the_hub_lacks_is_named(hub, make_store, model, naps, change, says):
    """A fault that will not pass is reported at once."""
    wanted = ModelSpec(id="toy", files=model.files, hub=HubSource(**({"repo": "owner/toy"} | change)))

    with pytest.raises(ModelFilesError, match=says):
        make_store(endpoint=hub.address).resolve(wanted)

    assert naps == []


def test_unsafe_names_are_refused(hub, make_store, tmp_path):
    """A repository cannot write outside the model's folder."""
    hub.files = {"../../evil": b"x"}

    with pytest.raises(ModelFilesError, match="unsafe name"):
        make_store(endpoint=hub.address).resolve(ModelSpec(id="toy", hub=HubSource(repo="owner/toy")))

    assert not (tmp_path / "evil").exists()


@pytest.mark.scenario("bad-model-hub")
@pytest.mark.parametrize(
    "commit",
    [
        "../../../../evil", "main", "", None, 7, "C" * 40, "c" * 39, "c" * 41, "c" * 40 + "\n",
        "c" * 40 + "/..", "/" + "c" * 39, ["c" * 40],
    ],
)  # fmt: skip
def test_a_commit_that_is_none_is_refused(hub, make_store, model, tmp_path, naps, commit):
    """A hub cannot choose the folder that its files go to, by what it calls their commit."""
    hub.answered_commit = commit

    with pytest.raises(ModelFilesError, match=r"40 hex digits .* SPEECHHUB_HF_ENDPOINT"):
        make_store(endpoint=hub.address).resolve(model)

    assert hub.downloads() == []
    assert not (tmp_path / "models" / ".staging").exists()
    assert naps == []


def test_a_hub_that_answers_another_commit_is_refused(hub, make_store, model):
    """Who names a commit gets that one, or nothing."""
    pinned = ModelSpec(
        id="toy", files=model.files, hub=HubSource(repo="owner/toy", revision="d" * 40, prefix="v1/")
    )

    with pytest.raises(ModelFilesError, match="was asked for commit ddd"):
        make_store(endpoint=hub.address).resolve(pinned)


@pytest.mark.parametrize(
    "change",
    [{"size": -1}, {"size": "7"}, {"lfs": {"size": 1, "sha256": "../x", "pointerSize": 1}}, {"rfilename": 7}],
)
def test_a_listing_with_odd_values_is_refused(hub, make_store, change):
    """Sizes are numbers, digests are 64 hex digits, names are names: else nothing is taken."""
    hub.change = change

    with pytest.raises(ModelFilesError):
        make_store(endpoint=hub.address).resolve(ModelSpec(id="toy", hub=HubSource(repo="owner/toy")))

    assert hub.downloads() == []


@pytest.mark.scenario("bad-model-hub")
@pytest.mark.parametrize("site", [HuggingFace, ModelScope])
@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/evil", "a/../../../evil", "a\\..\\evil", "a\0evil", "evil\u202e", "a//evil",
             "\uff0e\uff0e/evil", "x" * 300, "a\u2215..\u2215evil", "evil/", "\ud800evil"]
)  # fmt: skip
def test_names_of_a_listing_stay_in_the_folder(hub, make_store, tmp_path, site, name):
    """From no hub comes a file that lies elsewhere, or that reads otherwise than it is."""
    hub.files = {"config.json": CONFIG, name: b"x"}
    model = ModelSpec(id="toy", hub=HubSource(repo="owner/toy"))

    with pytest.raises(ModelFilesError, match=r"unsafe name|not text"):
        make_store(sites=[site(hub.address)]).resolve(model)

    assert not list(tmp_path.rglob("*evil*"))
    assert hub.downloads() == []


def test_a_link_in_staging_is_not_followed(hub, make_store, model, tmp_path):
    """Not even what lies in the folder for unfinished downloads leads a file out of it."""
    (tmp_path / "outside").mkdir()
    staging = tmp_path / "models" / ".staging" / "toy.hub" / hub.commit
    staging.mkdir(parents=True)
    (staging / "sub").symlink_to(tmp_path / "outside")

    with pytest.raises(ModelFilesError, match="through a link"):
        make_store(endpoint=hub.address).resolve(model)

    assert list((tmp_path / "outside").iterdir()) == []


def test_a_manifest_with_an_unsafe_name_is_none(hub, make_store, model, tmp_path):
    """A damaged or foreign manifest makes nothing outside the folder be read; the model is fetched anew."""
    folder = make_store(endpoint=hub.address).resolve(model)
    manifest = folder / ".speechhub.json"
    manifest.write_text(manifest.read_text().replace("sub/config.json", "../../../etc/passwd"))

    assert make_store(offline=True).status(model).state is not ModelState.READY
    make_store(endpoint=hub.address).resolve(model)
    assert make_store(offline=True).status(model).state is ModelState.READY


def test_a_model_folder_of_the_operators_may_be_a_link(hub, make_store, model, tmp_path):
    """Who moved a model to another disk, and left a link, still has it."""
    folder = make_store(endpoint=hub.address).resolve(model)
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "disk")

    assert make_store(offline=True).resolve(model) == folder
    assert make_store(offline=True).status(model).state is ModelState.READY
    assert make_store(offline=True).verify(model) == ()


@pytest.mark.scenario("model-hub-down")
def test_no_hub_at_all_is_a_short_story(make_store, model, naps):
    """Without a network the pull fails after a few tries and says what helps."""
    with pytest.raises(ModelFilesError, match="speechhub models pull toy") as caught:
        make_store(endpoint="http://127.0.0.1:9").resolve(model)

    assert "http://127.0.0.1:9" in caught.value.message
    assert len(naps) == retry.MAX_LISTING_ATTEMPTS - 1


def test_two_pulls_at_once_are_one(hub, make_store, model):
    """A second pull waits for the first and then finds the model in place."""
    hub.hold, waiting = threading.Event(), threading.Event()
    results = []

    def listen(report):
        if report.waiting == "another pull of it is running":
            waiting.set()

    def pull():
        results.append(make_store(endpoint=hub.address).resolve(model, on_progress=listen))

    threads = [threading.Thread(target=pull) for _ in range(2)]
    for thread in threads:
        thread.start()
    waited = waiting.wait(30)
    hub.hold.set()
    for thread in threads:
        thread.join(30)

    assert waited
    assert len(results) == 2
    assert len(hub.downloads()) == 2, "one for each of the model's files"


@pytest.mark.mission("17.5")
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_hub_that_lies_about_sizes_is_found_out(hub, make_store, tmp_path, difference):
    """Fewer or more bytes than it announces are never published; what the engine declares is believed."""
    hub.size_lie = difference
    trusting = ModelSpec(id="trusting", hub=HubSource(repo="owner/toy"))

    with pytest.raises(ModelFilesError, match=r"is not the expected file|failed to download"):
        make_store(endpoint=hub.address).resolve(trusting)
    folder = make_store(endpoint=hub.address).resolve(spec(wheels=False))

    assert not (tmp_path / "models" / "trusting").exists()
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_hub_that_goes_away_is_waited_for_by_the_next_pull(hub, make_store, model, naps):
    """The network is cut in the middle; the next pull fetches the rest alone, and it all verifies."""
    hub.cut_after = [400_000]
    hub.gone_after_cut = True
    store = make_store(endpoint=hub.address)
    with pytest.raises(ModelFilesError, match="failed to download"):
        store.resolve(model)
    assert sum(naps) > 10, "it did not give up at once"
    hub.gone = hub.gone_after_cut = False
    hub.requests.clear()

    store.resolve(model)

    assert [wanted for path, wanted in hub.downloads() if path.endswith(".bin")] == ["bytes=400000-"]
    assert store.verify(model) == ()


def test_a_flipped_byte_is_found_and_healed(hub, make_store, model):
    """Verification names the file; the next pull fetches it anew."""
    store = make_store(endpoint=hub.address)
    weights = store.resolve(model) / "weights.bin"
    times = weights.stat()
    damaged = bytearray(WEIGHTS)
    damaged[12345] ^= 1
    weights.write_bytes(damaged)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a bad disk does it

    [problem] = store.verify(model)
    assert "weights.bin is damaged" in problem

    assert (store.resolve(model) / "weights.bin").read_bytes() == WEIGHTS
    assert store.verify(model) == ()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_in_the_middle_of_a_file(hub, make_store, model, naps, status):
    """What has arrived is kept while the server is waited for."""
    hub.cut_after = [300_000]
    hub.statuses_after_cut = [status, status]

    folder = make_store(endpoint=hub.address).resolve(model)

    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    wanted = [wanted for path, wanted in hub.downloads() if path.endswith(".bin")]
    assert wanted == [None, "bytes=300000-", "bytes=300000-", "bytes=300000-"]
    assert naps[1:] == [7.0, 7.0]


@pytest.mark.parametrize("what", ["staging", "the model's", "the commit's", "a file"])
@pytest.mark.parametrize("how", ["a file", "a folder", "a dangling link", "a link out"])
def test_what_stands_in_a_downloads_way_is_no_trap(hub, make_store, model, tmp_path, what, how):
    """The model arrives, or the refusal says why; nothing outside the store is written or deleted."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "weights.bin").write_bytes(b"precious")
    staging = tmp_path / "models" / ".staging"
    folders = {"staging": staging, "the model's": staging / "toy.hub"}
    folders["the commit's"] = folders["the model's"] / hub.commit
    path = folders.get(what) or folders["the commit's"] / "weights.bin"
    path.parent.mkdir(parents=True)
    if how == "a file":
        path.write_bytes(b"x")
    elif how == "a folder":
        path.mkdir()
        (path / "rubbish").write_bytes(b"x")
    else:
        target = outside / "weights.bin" if what == "a file" else outside
        path.symlink_to(target if how == "a link out" else "nowhere")
    store = make_store(endpoint=hub.address)

    with suppress(ModelFilesError):  # of a link out, it says that it leads out of its folder
        store.resolve(model)

    assert tree(outside) == {"weights.bin": b"precious"}
    assert not (tmp_path / "nowhere").exists()
    if how != "a link out":
        assert tree(tmp_path / "models" / "toy").items() >= {"weights.bin": WEIGHTS}.items()


@pytest.mark.parametrize("how", ["a file", "a dangling link", "a link out"])
def test_what_stands_in_a_models_place_is_moved_aside(hub, make_store, model, tmp_path, how):
    """It is not the store's, and so it is kept."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    path = tmp_path / "models" / "toy"
    path.parent.mkdir()
    if how == "a file":
        path.write_bytes(b"x")
    else:
        path.symlink_to(outside if how == "a link out" else "nowhere")

    folder = make_store(endpoint=hub.address).resolve(model)

    assert tree(folder) == {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}
    assert [it.name for it in path.parent.iterdir() if it.name.startswith("toy.damaged-")]
    assert tree(outside) == {"precious": b"x"}


@pytest.mark.scenario("damaged-manifest")
def test_a_damaged_manifest_is_fetched_anew_from_what_is_here(hub, make_store, model):
    """Files whose checksums fit are taken over: a damaged record costs no download of weights."""
    store = make_store(endpoint=hub.address)
    folder = store.resolve(model)
    (folder / ".speechhub.json").write_bytes(b"")
    before = len([path for path, _ in hub.downloads() if path.endswith(".bin")])

    assert [it.problem for it in store.damages(model)] == ["is empty"]
    assert tree(store.resolve(model)) == {"weights.bin": WEIGHTS, "sub/config.json": CONFIG}

    assert store.damages(model) == []
    assert len([path for path, _ in hub.downloads() if path.endswith(".bin")]) == before

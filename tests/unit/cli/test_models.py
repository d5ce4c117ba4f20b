"""``models pull``, ``verify``, ``remove`` and ``path``: files of models, from the command line."""

from dataclasses import replace

import pytest

import speechhub_echo
from speechhub.engine import HubSource, ModelPart
from speechhub.errors import ModelFilesError
from speechhub.store.hub import Listing, ModelHub, RemoteFile

WEIGHTS = b"weights" * 1000


@pytest.fixture
def on_the_hub(own_model, monkeypatch):
    """A model that a pretended hub has."""
    own_model(hub="someone/something")
    file = RemoteFile(path="weights.bin", name="weights.bin", size_bytes=len(WEIGHTS), sha256=None)

    def download(hub, source, listing, wanted, target, on_bytes):
        target.write_bytes(WEIGHTS)
        on_bytes(len(WEIGHTS))

    monkeypatch.setattr(ModelHub, "list_files", lambda *_: Listing(commit="c0ffee", files=(file,)))
    monkeypatch.setattr(ModelHub, "download", download)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "models" / "echo-stt"


def test_pull_puts_files_in_place(run, on_the_hub, folder):
    """The folder is told, on standard output; any name for the model will do."""
    shown = run("models", "pull", "whisper-1")

    assert shown.exit_code == 0, shown.output
    assert shown.stdout == f"echo-stt: {folder}\n"
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert "ready, 7.0 kB, hub" in run("models", "list").stdout


@pytest.fixture
def in_parts(on_the_hub, monkeypatch):
    """A model that needs a part, and has another for those who ask for it."""
    needed = ModelPart(name="nose", folder="nose", hub=HubSource(repo="a/nose"), licence="MIT")
    extra = ModelPart(name="ear", folder="ear", hub=HubSource(repo="a/ear"), licence="GPL-3.0", optional=True)
    [model] = speechhub_echo.STT.models
    model = replace(model, parts=(needed, extra))
    monkeypatch.setattr(speechhub_echo, "STT", replace(speechhub_echo.STT, models=(model,)))


def test_pull_takes_the_parts_that_are_needed(run, in_parts, folder):
    """And tells their licences; what is optional is named below the table."""
    shown = run("models", "pull", "echo-stt")

    assert (folder / "nose" / "weights.bin").exists()
    assert not (folder / "ear").exists()
    assert "its part nose (a/nose) is MIT" in shown.stderr
    assert "GPL" not in shown.stderr
    listed = run("models", "list").stdout
    assert "ready, 14 kB, hub\n" in listed
    assert "pull MODEL --with PART':\n  echo-stt: ear\n" in listed


def test_pull_with_an_optional_part(run, in_parts, folder):
    """It comes along, and the list says that it is there."""
    shown = run("models", "pull", "echo-stt", "--with", "ear")

    assert (folder / "ear" / "weights.bin").exists()
    assert "its part ear (a/ear) is GPL-3.0" in shown.stderr
    listed = run("models", "list").stdout
    assert "ready, 21 kB, hub +ear" in listed
    assert "--with" not in listed


def test_pull_with_a_part_that_does_not_exist_fetches_nothing(run, in_parts, folder):
    """All models are looked at before the first download."""
    shown = run("models", "pull", "echo-stt", "echo-tts", "--with", "ear")

    assert shown.exit_code == 1
    assert "Model 'echo-tts' has no part 'ear'; its parts: none." in shown.stderr
    assert not folder.exists()


def test_pull_of_a_model_without_files(run):
    """There is nothing to do, and that is said."""
    assert run("models", "pull", "echo-tts").stdout == "echo-tts: needs no files\n"


def test_pull_of_an_unknown_model_fetches_nothing(run, on_the_hub, folder):
    """All names are looked at before the first download."""
    shown = run("models", "pull", "echo-stt", "nonsense")

    assert shown.exit_code == 1
    assert "no model 'nonsense'; 'speechhub models list'" in shown.stderr
    assert not folder.exists()


def test_pull_that_fails_says_what_helps(run, on_the_hub, monkeypatch):
    """The line comes from the store, whole."""

    def unreachable(*_):
        raise ModelFilesError("the hub is away")

    monkeypatch.setattr(ModelHub, "list_files", unreachable)

    shown = run("models", "pull", "echo-stt")

    assert shown.exit_code == 1
    assert "the hub is away" in shown.stderr
    assert '[models."echo-stt"] path = …' in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_verify_finds_damage_once(run, on_the_hub, folder):
    """A sound copy is told so; a damaged one is named, and is not in place any more."""
    run("models", "pull", "echo-stt")
    sound = run("models", "verify")
    (folder / "weights.bin").write_bytes(WEIGHTS[::-1])
    damaged = run("models", "verify", "echo-stt")

    assert (sound.exit_code, sound.stdout) == (0, "echo-stt: all files are as they should be\n")
    assert damaged.exit_code == 1
    assert "echo-stt: weights.bin is damaged" in damaged.stdout
    [line] = [line for line in run("models", "list").stdout.splitlines() if line.startswith("echo-stt ")]
    assert "ready" not in line


def test_verify_without_files(run):
    """Nothing to verify is no failure."""
    everything, one = run("models", "verify"), run("models", "verify", "echo-tts")

    assert (everything.exit_code, everything.stdout) == (0, "No model has files here.\n")
    assert (one.exit_code, one.stdout) == (0, "echo-tts: needs no files\n")


def test_verify_of_a_folder_without_checksums(run, own_model, tmp_path):
    """It does not claim to have compared what it could not."""
    (tmp_path / "weights").write_bytes(WEIGHTS)
    own_model(path=tmp_path)

    assert "no checksums" in run("models", "verify", "echo-stt").stdout


def test_remove_asks_first(run, on_the_hub, folder):
    """No answer but yes deletes anything."""
    run("models", "pull", "echo-stt")
    asked = run("models", "remove", "echo-stt", input="n\n")
    still_there = folder.exists()
    done = run("models", "remove", "echo-stt", input="y\n")

    assert asked.exit_code == 1
    assert still_there
    assert "echo-stt: 7" in done.stdout
    assert not folder.exists()


def test_remove_without_asking(run, on_the_hub, folder):
    """--yes is for scripts."""
    run("models", "pull", "echo-stt")

    assert "kB freed" in run("models", "remove", "echo-stt", "--yes").stdout
    assert not folder.exists()


def test_remove_leaves_the_operators_folder_alone(run, own_model, tmp_path):
    """And says so."""
    weights = tmp_path / "weights"
    weights.write_bytes(WEIGHTS)
    own_model(path=tmp_path)

    assert f"your folder {tmp_path} stays" in run("models", "remove", "echo-stt", "-y").stdout
    assert weights.exists()


def test_path_is_for_scripts(run, on_the_hub, folder):
    """The folder and nothing else; an error before it is there."""
    before = run("models", "path", "echo-stt")
    run("models", "pull", "echo-stt")

    assert before.exit_code == 1
    assert before.stdout == ""
    assert "has no files here" in before.stderr
    assert run("models", "path", "echo-stt").stdout == f"{folder}\n"

"""``models pull``, ``verify``, ``remove`` and ``path``: files of models, from the command line."""

import json
from dataclasses import replace

import pytest

import speechhub_echo
from speechhub.cli.engines import accept_licences
from speechhub.engine import HubSource, ModelPart
from speechhub.errors import ModelFilesError
from speechhub.settings import Settings
from speechhub.store import Licences
from speechhub.store.hub import Listing, ModelHub, RemoteFile

WEIGHTS = b"weights" * 1000
COMMIT = "c0ffee" + "0" * 34


@pytest.fixture
def on_the_hub(own_model, monkeypatch):
    """A model that a pretended hub has."""
    own_model(hub="someone/something")
    file = RemoteFile(path="weights.bin", name="weights.bin", url="", size_bytes=len(WEIGHTS), sha256=None)

    def download(hub, listing, wanted, target, on_bytes, *, on_wait):
        target.write_bytes(WEIGHTS)
        on_bytes(len(WEIGHTS))

    listing = Listing(commit=COMMIT, revision=COMMIT, files=(file,))
    monkeypatch.setattr(ModelHub, "list_files", lambda *_, **__: listing)
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


def test_pull_and_pin(run, on_the_hub, folder, monkeypatch):
    """The commit is told, and list, doctor and JSON show it; --no-pin takes it back."""
    shown = run("models", "pull", "echo-stt", "--pin")

    assert shown.exit_code == 0, shown.output
    held = f"someone/something@{COMMIT}"
    assert shown.stdout == (
        f"echo-stt: {folder}\necho-stt: model 'echo-stt' is pinned to {held}, 1 files by their SHA-256\n"
    )
    assert f"or fails:\n  echo-stt: {held}\n" in run("models", "list").stdout
    assert f"  ok  source of echo-stt: pinned to {held}\n" in run("doctor").stdout
    listed = {it["name"]: it for it in json.loads(run("models", "list", "--json").stdout)}
    assert (listed["echo-stt"]["pinned"], listed["echo-stt"]["unpinned"]) == ([held], [])

    assert run("models", "pull", "echo-stt", "--no-pin").stdout.startswith("echo-stt: no longer pinned\n")
    assert "  echo-stt: someone/something@main\n" in run("models", "list").stdout
    warned = [line for line in run("doctor").stdout.splitlines() if "source of echo-stt" in line]
    assert warned[0].startswith("warn  source of echo-stt: someone/something@main can change")


def test_a_pin_that_cannot_be_read_is_found(run, on_the_hub, tmp_path):
    """Doctor fails and names the file; the list says it below the table."""
    run("models", "pull", "echo-stt", "--pin")
    [path] = (tmp_path / "home" / "models" / ".pins").iterdir()
    path.write_text("{")

    shown = run("doctor")

    assert shown.exit_code == 1
    assert f"FAIL  source of echo-stt: model 'echo-stt': its pin {path} cannot be read" in shown.stdout
    assert f"its pin {path} cannot be read" in run("models", "list").stdout


def test_a_folder_of_ones_own_is_not_pinned(run, own_model, tmp_path):
    """It is used as it is, whatever is in it."""
    own_model(path=tmp_path)

    shown = run("models", "pull", "echo-stt", "--pin")

    assert shown.exit_code != 0
    assert "there is nothing to pin" in shown.stderr


def test_a_model_without_files_needs_no_pin(run):
    """And says so."""
    assert "no pin is needed" in run("models", "pull", "echo-tts", "--pin").stdout


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
    assert "those that are here:\n  echo-stt: someone/something@main\n  echo-stt: a/nose@main\n" in listed


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
    shown = run("models", "pull", "echo-stt", "echo-tts", "--with", "ear", "--with", "tail")

    assert shown.exit_code == 1
    assert "Model 'echo-stt' has no part 'tail'; its parts: nose, ear." in shown.stderr
    assert not folder.exists()


def test_a_part_is_for_the_models_that_have_it(run, in_parts, folder):
    """Of several models, those without such a part are fetched as they are."""
    shown = run("models", "pull", "echo-tts", "echo-stt", "--with", "ear")

    assert shown.stdout == f"echo-tts: needs no files\necho-stt: {folder}\n"
    assert (folder / "ear" / "weights.bin").exists()


def test_pull_of_a_model_without_files(run):
    """There is nothing to do, and that is said."""
    assert run("models", "pull", "echo-tts").stdout == "echo-tts: needs no files\n"


def test_pull_of_an_unknown_model_fetches_nothing(run, on_the_hub, folder):
    """All names are looked at before the first download."""
    shown = run("models", "pull", "echo-stt", "nonsense")

    assert shown.exit_code == 1
    assert "no model 'nonsense'; 'speechhub models list'" in shown.stderr
    assert not folder.exists()


def test_pull_says_what_it_waits_for(run, on_the_hub, monkeypatch):
    """In a log, too: a hub that is busy for minutes is not a command that hangs."""
    listing = ModelHub.list_files(None)

    def busy(*_, on_wait):
        on_wait("the hub is [busy]")
        return listing

    monkeypatch.setattr(ModelHub, "list_files", busy)

    assert "echo-stt: the hub is [busy]\n" in run("models", "pull", "echo-stt").stderr


def test_pull_that_fails_says_what_helps(run, on_the_hub, monkeypatch):
    """The line comes from the store, whole."""

    def unreachable(*_, **__):
        raise ModelFilesError("the hub is away")

    monkeypatch.setattr(ModelHub, "list_files", unreachable)

    shown = run("models", "pull", "echo-stt")

    assert shown.exit_code == 1
    assert "the hub is away" in shown.stderr
    assert '[models."echo-stt"] path = …' in shown.stderr
    [licence, error] = shown.stderr.splitlines()
    assert licence.startswith("echo-stt: the licence")
    assert error.startswith("error: ")


def test_verify_finds_damage_once(run, on_the_hub, folder):
    """A sound copy is told so; a damaged one is named, and is not in place any more."""
    run("models", "pull", "echo-stt")
    sound = run("models", "verify")
    (folder / "weights.bin").write_bytes(WEIGHTS[::-1])
    damaged = run("models", "verify", "echo-stt")

    assert (sound.exit_code, sound.stdout) == (0, "echo-stt: all files match\n")
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


def test_verify_goes_on_after_a_model_that_is_not_there(run, on_the_hub):
    """Its line says what helps, and the next model is verified all the same."""
    shown = run("models", "verify", "echo-stt", "echo-tts")

    assert shown.exit_code == 1
    first, second = shown.stdout.splitlines()
    assert first.startswith("echo-stt: Model 'echo-stt' is not in the store.")
    assert second == "echo-tts: needs no files"


def test_verify_as_json(run, on_the_hub, folder):
    """Every model with what is wrong; the exit status stays."""
    none = run("models", "verify", "--json")
    run("models", "pull", "echo-stt")
    sound = run("models", "verify", "--json")
    (folder / "weights.bin").write_bytes(WEIGHTS[::-1])
    damaged = run("models", "verify", "--json", "echo-stt", "echo-tts")

    assert (none.exit_code, json.loads(none.stdout)) == (0, {"ok": True, "models": []})
    assert (sound.exit_code, json.loads(sound.stdout)) == (
        0,
        {
            "ok": True,
            "models": [
                {"name": "echo-stt", "ok": True, "problems": [], "compared_bytes": len(WEIGHTS)},
            ],
        },
    )
    assert damaged.exit_code == 1
    told = json.loads(damaged.stdout)
    assert (told["ok"], [it["ok"] for it in told["models"]]) == (False, [False, True])
    assert "weights.bin is damaged" in told["models"][0]["problems"][0]


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


# ── Licences ─────────────────────────────────────────────────────────────────


@pytest.fixture
def bound(monkeypatch):
    """Give echo-clone a licence with conditions."""
    models = [
        replace(
            model,
            licence="Own-1.0",
            licence_url="https://example.org/own",
            must_accept_licence=model.id == "echo-clone",
        )
        for model in speechhub_echo.TTS.models
    ]
    spec = replace(speechhub_echo.TTS, models=tuple(models))
    monkeypatch.setattr(speechhub_echo, "TTS", spec)
    return spec


def test_a_licence_is_accepted_with_the_files(run, bound):
    """Before, nothing is fetched, and each list says what to do; afterwards nobody asks again."""
    refused = run("models", "pull", "echo-clone")
    listed, looked = run("models", "list"), run("doctor")
    accepted = run("models", "pull", "echo-clone", "--accept-license")
    again = run("models", "pull", "echo-clone")

    assert (refused.exit_code, refused.stdout) == (1, "")
    for shown in (refused.stderr, listed.stdout, looked.stdout):
        assert "speechhub models pull echo-clone --accept-license" in shown
        assert "Own-1.0 (https://example.org/own)" in shown
    assert accepted.exit_code == again.exit_code == 0
    assert "accept-license" not in run("models", "list").stdout
    assert "ok  licence of echo-clone: Own-1.0, accepted" in run("doctor").stdout


def test_a_default_model_without_its_licence_is_a_failure(run, bound, monkeypatch):
    """The doctor says so, and a setting mends it."""
    monkeypatch.setenv("SPEECHHUB_TTS_MODEL", "echo-clone")
    ill = run("doctor")
    monkeypatch.setenv("SPEECHHUB_ACCEPT_LICENSES", "own-1.0")
    well = run("doctor")

    assert (ill.exit_code, well.exit_code) == (1, 0)
    assert "FAIL  tts model echo-clone: The licence of model 'echo-clone' has conditions" in ill.stdout


def test_an_engine_s_licences_are_accepted_with_it(bound, tmp_path, capsys):
    """Or its installation says which are to be accepted."""
    settings = Settings(home=tmp_path)

    accept_licences(settings, [bound], accept=False)
    asked = capsys.readouterr().err
    accept_licences(settings, [bound], accept=True)
    told = capsys.readouterr().err

    assert "speechhub models pull echo-clone --accept-license" in asked
    assert "echo-clone: the licence of its weights is Own-1.0, https://example.org/own" in told
    assert "echo-clone: accepted" in told
    assert all(Licences(settings.licences_file).allow(model) for model in bound.models)

"""``engines``, ``models list`` and ``doctor``: what is here, and what is wrong with it."""

import json
from dataclasses import replace

import pytest

from speechhub.discovery import BrokenPlugin, Discovery, discover

BROKEN = BrokenPlugin(
    entry_point="speechhub.tts: bad = bad:ENGINE", distribution="bad 1.0", error="ImportError: [no] such"
)


@pytest.fixture
def with_a_broken_plugin(monkeypatch):
    found = replace(discover(), broken=(BROKEN,))
    monkeypatch.setattr("speechhub.discovery.discover", lambda: found)


def line_of(text, start):
    [line] = [line for line in text.splitlines() if line.startswith(start)]
    return line.rstrip()


def test_engines_are_listed(run):
    """Each engine has a line with what it does, and where it comes from."""
    shown = run("engines").stdout

    assert line_of(shown, "echo-stt  ").split()[:4] == ["echo-stt", "stt", "cpu", "speechhub-echo"]
    assert "echo-tts: Speaks in tones" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_broken_plugins_are_listed(run, with_a_broken_plugin):
    """A plugin that cannot be read is named, with the reason."""
    shown = run("engines")

    assert shown.exit_code == 0
    assert "broken bad 1.0 (speechhub.tts: bad = bad:ENGINE): ImportError: [no] such" in shown.stdout


def test_no_engine_is_no_empty_table(run, monkeypatch):
    """Who has none is told how to get one."""
    monkeypatch.delenv("SPEECHHUB_STT_MODEL")
    monkeypatch.delenv("SPEECHHUB_TTS_MODEL")
    monkeypatch.setattr("speechhub.discovery.discover", lambda: Discovery(engines=(), broken=()))

    assert "pip install" in run("engines").stdout
    assert "no engine is installed" in run("models", "list").stdout
    looked = run("doctor").stdout
    assert looked.count("warn") == 1
    assert "-m pip install 'speechhub[cpu]'" in line_of(looked, "warn")


def test_models_that_need_no_files(run):
    """They are ready as they are, and the names that stand for them follow."""
    shown = run("models", "list").stdout

    assert line_of(shown, "echo-stt ").endswith("ready, needs none")
    assert "  echo-stt: whisper-1, " in shown
    assert "ModelStatus" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_models_in_a_folder(run, own_model, tmp_path):
    """Their size is told, and that they are the operator's own."""
    (tmp_path / "weights").write_bytes(bytes(12_300))
    own_model(path=tmp_path)

    assert line_of(run("models", "list").stdout, "echo-stt ").endswith("ready, 12 kB, folder")


def test_models_to_be_downloaded(run, own_model):
    """The hub has them."""
    own_model(hub="someone/something")

    assert line_of(run("models", "list").stdout, "echo-stt ").endswith(" hub")


def test_models_that_are_missing(run, own_model, tmp_path):
    """Below the table stands what is wrong."""
    own_model(path=tmp_path / "gone")

    shown = run("models", "list").stdout

    assert line_of(shown, "echo-stt ").endswith(" missing")
    assert f"there is no folder {tmp_path / 'gone'}" in shown


def test_aliases_are_listed_with_their_model(run, monkeypatch):
    """A name of the operator's own stands with the model that it means."""
    monkeypatch.setenv("SPEECHHUB_ALIASES", json.dumps({"ears": "echo-stt"}))

    assert "echo-stt: ears, whisper-1," in run("models", "list").stdout


def test_doctor_is_content(run, tmp_path):
    """A sound installation has exit status 0; looking at it makes nothing."""
    shown = run("doctor")

    assert shown.exit_code == 0, shown.output
    assert "stt model echo-stt: files are in place; engine speechhub-echo" in shown.stdout
    assert "FAIL" not in shown.stdout
    assert not (tmp_path / "home").exists()


def test_doctor_finds_missing_files(run, own_model, tmp_path):
    """They are a failure, with what helps."""
    own_model(path=tmp_path / "gone")

    shown = run("doctor")

    assert shown.exit_code == 1
    assert f"there is no folder {tmp_path / 'gone'}" in line_of(shown.stdout, "FAIL")


def test_doctor_downloads_nothing(run, own_model, monkeypatch):
    """Files that are to be downloaded are a warning."""
    monkeypatch.setattr("speechhub.store.ModelStore.resolve", lambda *_, **__: pytest.fail("it downloads"))
    own_model(hub="someone/something")

    shown = run("doctor")

    assert shown.exit_code == 0
    files, source = (line for line in shown.stdout.splitlines() if line.startswith("warn"))
    assert "the first use downloads them" in files
    assert "someone/something@main can change" in source
    assert "speechhub models pull echo-stt --pin" in source


def test_doctor_finds_a_broken_plugin(run, with_a_broken_plugin):
    """It is named once, with the reason, and nothing is printed beside the findings."""
    shown = run("doctor")

    assert shown.exit_code == 1
    assert line_of(shown.stdout, "FAIL") == (
        "FAIL  plugin bad 1.0: ImportError: [no] such. Repair it, or pip uninstall it."
    )
    assert shown.stderr == ""


def test_doctor_finds_a_home_that_cannot_be_written(run, monkeypatch, tmp_path):
    """The folder is named."""
    monkeypatch.setattr("os.access", lambda *_: False)

    shown = run("doctor")

    assert shown.exit_code == 1
    assert f"cannot write to {tmp_path}: set SPEECHHUB_HOME" in line_of(shown.stdout, "FAIL")


# ── For programs ─────────────────────────────────────────────────────────────


def test_models_as_json(run, own_model, tmp_path):
    """Every model with its files, its problems and its other names."""
    own_model(path=tmp_path / "gone")

    models = {it["name"]: it for it in json.loads(run("models", "list", "--json").stdout)}

    assert set(models["echo-tts"]) == {
        "name", "task", "engine", "device", "device_note", "languages", "files", "path", "size_bytes",
        "parts", "problems", "aliases", "pinned", "unpinned",
    }  # fmt: skip
    assert (models["echo-tts"]["task"], models["echo-tts"]["files"]) == ("tts", "ready")
    assert "tts-1" in models["echo-tts"]["aliases"]
    assert models["echo-stt"]["files"] == "missing"
    assert "there is no folder" in models["echo-stt"]["problems"][0]


@pytest.mark.parametrize("words", [["engines", "--json"], ["engines", "list", "--json"]])
def test_engines_as_json(run, with_a_broken_plugin, words):
    """What is installed, and what could not be read."""
    told = json.loads(run(*words).stdout)

    [echo] = [it for it in told["engines"] if it["name"] == "echo-tts"]
    assert (echo["task"], echo["devices"], echo["environment"]) == ("tts", ["cpu"], None)
    assert told["broken"] == [
        {"package": "bad 1.0", "entry_point": BROKEN.entry_point, "error": "ImportError: [no] such"}
    ]

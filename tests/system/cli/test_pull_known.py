"""Models are fetched before their engines are installed, from a real model hub on the loopback interface."""

import pytest

from speechhub.cli import _terminal
from tests.fakes.model_store import served

ACCEPT = "--accept-license"
REPOS = {
    "Qwen/Qwen3-ASR-0.6B": {"config.json": b"{}", "weights.bin": b"ears" * 1000},
    "Qwen/Qwen3-ForcedAligner-0.6B": {"weights.bin": b"words" * 100},
    "IndexTeam/IndexTTS-2": {"gpt.bin": b"mouth" * 1000, "sub/config.yaml": b"a: 1"},
    "facebook/w2v-bert-2.0": {
        "config.json": b"{}",
        "preprocessor_config.json": b"{}",
        "model.safetensors": b"bert" * 100,
        "unused.bin": b"x",
    },
    "funasr/campplus": {"campplus_cn_common.bin": b"voice"},
    "amphion/MaskGCT": {"semantic_codec/model.safetensors": b"codec"},
    "nvidia/bigvgan_v2_22khz_80band_256x": {"config.json": b"{}", "bigvgan_generator.pt": b"sound"},
}


@pytest.fixture
def hub(monkeypatch):
    """A hub that has the models in small."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for fake in served():
        fake.others = REPOS
        monkeypatch.setenv("SPEECHHUB_HF_ENDPOINT", fake.address)
        yield fake


@pytest.fixture
def models(tmp_path):
    return tmp_path / "home" / "models"


@pytest.mark.mission("14.4", "14.5", "14.6")
def test_both_models_and_the_aligner_come(run, hub, models):
    """In one call; the part goes to the model that has it, and what is not needed is not fetched."""
    shown = run("models", "pull", "qwen3-asr-0.6b", "indextts-2", "--with", "aligner", ACCEPT)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout == (
        f"qwen3-asr-0.6b: {models / 'qwen3-asr-0.6b'}\nindextts-2: {models / 'indextts-2'}\n"
    )
    ears, mouth = models / "qwen3-asr-0.6b", models / "indextts-2"
    assert (ears / "weights.bin").read_bytes() == b"ears" * 1000
    assert (ears / "aligner" / "weights.bin").read_bytes() == b"words" * 100
    assert (mouth / "sub" / "config.yaml").read_bytes() == b"a: 1"
    assert (mouth / "hf_cache/maskgct/semantic_codec/model.safetensors").read_bytes() == b"codec"
    assert sorted(it.name for it in (mouth / "hf_cache/w2v-bert-2.0").iterdir())[1:] == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert "qwen3-asr-0.6b: 4.5 kB of 4.5 kB, 100%, " in shown.stderr  # progress in a pipe
    assert "speechhub engines install qwen-asr\n" in shown.stderr
    assert "speechhub engines install indextts\n" in shown.stderr


def test_what_was_pulled_is_looked_after(run, hub, models):
    """Verified by name and with all others, found by path, removed."""
    run("models", "pull", "qwen3-asr-0.6b")
    folder = models / "qwen3-asr-0.6b"

    sound = "qwen3-asr-0.6b: all files match\n"
    assert run("models", "verify", "qwen3-asr-0.6b").stdout == sound
    assert run("models", "verify").stdout == sound
    assert run("models", "path", "qwen3-asr-0.6b").stdout == f"{folder}\n"
    (folder / "weights.bin").write_bytes(b"damaged")
    assert "weights.bin is damaged" in run("models", "verify", "qwen3-asr-0.6b").stdout
    assert run("models", "remove", "qwen3-asr-0.6b", "--yes").exit_code == 0
    assert not folder.exists()


def test_nothing_comes_before_the_licence_is_accepted(run, hub, models):
    """Not even the other model: the refusal says what to add."""
    shown = run("models", "pull", "qwen3-asr-0.6b", "indextts-2")

    assert shown.exit_code == 1
    assert "speechhub models pull indextts-2 --accept-license" in shown.stderr
    assert not models.exists()
    assert hub.requests == []


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_person_is_asked(run, hub, models, monkeypatch, answer, status):
    """With the licence's address; only yes is yes, and it is remembered."""
    monkeypatch.setattr(_terminal, "attended", lambda: True)

    shown = run("models", "pull", "indextts-2", input=answer)

    assert shown.exit_code == status, shown.output
    assert "https://github.com/index-tts/index-tts/blob/main/LICENSE" in shown.stderr
    assert (models / "indextts-2").exists() is (status == 0)
    monkeypatch.setattr(_terminal, "attended", lambda: False)
    assert run("models", "pull", "indextts-2").exit_code == status


def test_a_dry_run_lists_all_and_fetches_nothing(run, hub, models):
    """Files, sizes, licences, and what is left out; exact sizes come from the hub."""
    shown = run("models", "pull", "--dry-run", "qwen3-asr-0.6b", "indextts-2")

    assert shown.exit_code == 0, shown.output
    assert (
        shown.stdout
        == """\
qwen3-asr-0.6b
  licence: Apache-2.0
  engine: not installed; speechhub engines install qwen-asr
  files: from Qwen/Qwen3-ASR-0.6B, 4.0 kB
    config.json  2 B
    weights.bin  4.0 kB
  left out: the part aligner, about 1.8 GB; --with aligner fetches it
indextts-2
  licence: bilibili-Model-Use-License, https://github.com/index-tts/index-tts/blob/main/LICENSE; to \
accept it: --accept-license
  engine: not installed; speechhub engines install indextts
  files: from IndexTeam/IndexTTS-2, 5.0 kB
    gpt.bin          5.0 kB
    sub/config.yaml  4 B
  part w2v-bert: from facebook/w2v-bert-2.0, 404 B, MIT
    config.json               2 B
    preprocessor_config.json  2 B
    model.safetensors         400 B
  part campplus: from funasr/campplus, 5 B, Apache-2.0
    campplus_cn_common.bin  5 B
  part semantic-codec: from amphion/MaskGCT, 5 B, CC-BY-NC-4.0
    semantic_codec/model.safetensors  5 B
  part bigvgan: from nvidia/bigvgan_v2_22khz_80band_256x, 7 B, MIT
    config.json           2 B
    bigvgan_generator.pt  5 B

To fetch: 9.4 kB
"""
    )
    assert not models.exists()
    assert hub.downloads() == []


def test_a_dry_run_says_what_is_there(run, hub):
    """And counts it no more."""
    run("models", "pull", "qwen3-asr-0.6b")

    shown = run("models", "pull", "--dry-run", "qwen3-asr-0.6b", "--with", "aligner").stdout

    assert "  files: in place, 4.0 kB\n" in shown
    assert "  part aligner: from Qwen/Qwen3-ForcedAligner-0.6B, 500 B, Apache-2.0\n" in shown
    assert shown.endswith("\nTo fetch: 500 B\n")


def test_a_dry_run_without_a_hub_knows_it_roughly(run, hub, monkeypatch):
    """It asks once in all, says why, and takes the published sizes."""
    asked = []
    from speechhub.store.hub import ModelHub

    real = ModelHub.list_files

    def list_files(self, source, *words, **options):
        asked.append(source.repo)
        return real(self, source, *words, **options)

    monkeypatch.setattr(ModelHub, "list_files", list_files)
    monkeypatch.setenv("SPEECHHUB_HF_ENDPOINT", "http://127.0.0.1:9")

    shown = run("models", "pull", "--dry-run", "qwen3-asr-0.6b", "indextts-2")

    assert shown.exit_code == 0, shown.output
    assert asked == ["Qwen/Qwen3-ASR-0.6B"]
    assert "  files: from Qwen/Qwen3-ASR-0.6B, about 1.9 GB\n" in shown.stdout
    assert "    model.safetensors         ?\n" in shown.stdout
    assert shown.stdout.endswith("\nTo fetch: about 11 GB\n")
    assert shown.stderr.count("Not all sizes are known: ") == 1


def test_a_repository_that_is_refused_is_no_network(run, hub, monkeypatch):
    """The others are asked all the same."""
    hub.others = {name: files for name, files in REPOS.items() if name != "facebook/w2v-bert-2.0"}

    shown = run("models", "pull", "--dry-run", "indextts-2")

    assert "  part w2v-bert: from facebook/w2v-bert-2.0, about 2.3 GB, MIT\n" in shown.stdout
    assert "  part bigvgan: from nvidia/bigvgan_v2_22khz_80band_256x, 7 B, MIT\n" in shown.stdout
    assert "there is no such repository" in shown.stderr


def test_offline_there_is_nothing(run, hub):
    """A dry run says so; a pull names what helps."""
    shown = run("models", "pull", "--offline", "--dry-run", "qwen3-asr-0.6b")

    assert shown.exit_code == 0, shown.output
    assert "Not all sizes are known: downloads are switched off\n" in shown.stderr
    assert hub.requests == []


def test_settings_that_name_the_model_do_not_hinder_it(run, hub, models, monkeypatch):
    """A default whose engine is still to come keeps the server from starting, and not the pull."""
    monkeypatch.setenv("SPEECHHUB_STT_MODEL", "qwen3-asr-0.6b")

    assert "speechhub engines install qwen-asr" in run("models", "list").stderr
    assert run("models", "pull", "qwen3-asr-0.6b").exit_code == 0
    assert (models / "qwen3-asr-0.6b" / "weights.bin").exists()
    assert run("models", "pull", "echo-stt").exit_code == 1


def test_another_spelling_is_not_fetched(run, hub):
    """It is named, so that no gigabytes come by accident."""
    shown = run("models", "pull", "indextts2", ACCEPT)

    assert shown.exit_code == 1
    assert "There is no model 'indextts2'" in shown.stderr
    assert "Did you mean 'indextts-2'?" in shown.stderr
    assert hub.requests == []


def test_the_defaults_of_this_machine(run, hub):
    """Each once, whatever they are; nothing at all is no call."""
    shown = run("models", "pull", "--defaults", "echo-stt")

    assert shown.stdout == "echo-stt: needs no files\necho-tts: needs no files\n"
    assert run("models", "pull").exit_code == 2


def test_the_list_names_them(run):
    """With the command that brings their engines."""
    listed = run("models", "list").stdout

    assert "'speechhub engines install ENGINE' installs them:\n" in listed
    assert "  indextts: indextts-2, indextts-2.5\n" in listed
    assert "  qwen-asr: qwen3-asr-0.6b, qwen3-asr-1.7b\n" in listed


def test_speaking_with_it_says_what_to_install(run):
    """The commands that need no server, too."""
    shown = run("speak", "Hello", "--model", "indextts-2", "-o", "x.wav")

    assert shown.exit_code == 1
    assert "speechhub engines install indextts." in shown.stderr

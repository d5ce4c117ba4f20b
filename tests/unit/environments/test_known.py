"""Engines and models that the hub knows before they are installed."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from speechhub.engine import Slot
from speechhub.environments import known
from speechhub.environments.known import (
    FILE,
    bare,
    known_engines,
    known_model,
    near_model,
    not_installed,
)
from speechhub.environments.source import find_source
from speechhub.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


def test_every_plugin_with_weights_is_known():
    """All of the repository but the one for tests, under the names by which they are installed."""
    folders = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}

    assert {it.distribution for it in known_engines()} == folders - {"speechhub-echo"}
    for engine in known_engines():
        assert find_source(engine.name, None).distribution == engine.distribution


def test_what_is_known_is_what_the_plugin_says():
    """Where the files come from, what they cost and what their licence demands; a part is as it is there."""
    import speechhub_piper
    import speechhub_whisper

    for spec in (speechhub_whisper.ENGINE, speechhub_piper.ENGINE):
        [told] = [it for it in known_engines() if it.engine == spec.name]
        left_out = {"capabilities": None, "languages": (), "voices": ()}
        assert told.models == tuple(replace(it, **left_out) for it in spec.models if it.needs_files)
        assert (told.slot, told.devices) == (spec.slot, spec.devices)


def test_the_engines_for_a_gpu():
    """What the mission asks for: the models, their parts, and the licence that has to be accepted."""
    models = {it.id: (it, engine) for engine in known_engines() for it in engine.models}
    ears, listening = models["qwen3-asr-0.6b"]
    mouth, speaking = models["indextts-2"]

    assert (listening.name, listening.slot, listening.devices[0]) == ("qwen-asr", Slot.STT, "cuda")
    assert (speaking.name, speaking.slot, speaking.devices[0]) == ("indextts", Slot.TTS, "cuda")
    assert ears.hub.repo == "Qwen/Qwen3-ASR-0.6B"
    assert [(part.name, part.optional, part.hub.repo) for part in ears.parts] == [
        ("aligner", True, "Qwen/Qwen3-ForcedAligner-0.6B")
    ]
    assert not ears.must_accept_licence
    assert mouth.must_accept_licence
    assert mouth.licence_url.startswith("https://")
    assert [part.hub.repo for part in mouth.parts] == [
        "facebook/w2v-bert-2.0",
        "funasr/campplus",
        "amphion/MaskGCT",
        "nvidia/bigvgan_v2_22khz_80band_256x",
    ]
    assert all(it.download_bytes > 1e9 and it.memory_bytes > 1e9 for it in (ears, mouth))


def test_the_wheel_carries_the_file():
    """It lies in the package, which hatch packs as it is."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]

    assert wheel["wheel"]["packages"] == ["src/speechhub"]
    assert FILE.is_relative_to(ROOT / "src/speechhub")
    assert json.loads(FILE.read_bytes())


def test_an_installed_engine_is_not_among_the_others(monkeypatch):
    """By the engine's name, whatever distribution brings it."""
    assert "qwen-asr" not in {it.engine for it in not_installed(["qwen-asr", "own"])}
    assert "indextts" in {it.engine for it in not_installed(["qwen-asr", "own"])}
    other = replace(known_engines()[0], engine="own-name")
    monkeypatch.setattr(known, "known_engines", lambda: (other,))
    assert not_installed(["own-name"]) == ()
    assert not_installed([other.name]) == (other,)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Qwen/Qwen3-ASR-0.6B", "qwen3-asr-0.6b"),
        ("Qwen3-ASR-1.7B", "qwen3-asr-1.7b"),
        ("qwen3_asr_0.6b", "qwen3-asr-0.6b"),
        ("qwen3-asr", "qwen3-asr-0.6b"),
        ("indextts2", "indextts-2"),
        ("IndexTTS-2.5", "indextts-2.5"),
        ("IndexTeam/IndexTTS-2", "indextts-2"),
        ("IndexTTS", "indextts-2"),
        ("nope", None),
        ("inde", None),
        ("piper-voices", None),  # a repository of many voices is none of them
        ("", None),
        ("/", None),
        ("🙂", None),
    ],
)
def test_other_spellings(name, meant):
    """Repositories, other marks and cases mean the model; a family means the one that is preferred."""
    found = near_model(name, known_engines())

    assert (found and found.model.id) == meant


def test_an_id_is_exact():
    """Only what is written as it is names a model to fetch."""
    assert known_model("indextts-2", known_engines()).engine.name == "indextts"
    assert known_model("indextts2", known_engines()) is None


def test_bare():
    """What is left of a name."""
    assert bare("Qwen/Qwen3-ASR-0.6B/") == "qwen3asr06b"


def test_advice_names_the_commands():
    """With the acceptance where one is needed."""
    assert known_model("qwen3-asr-0.6b", known_engines()).advice == (
        "Install its engine: speechhub engines install qwen-asr. Fetch its files: speechhub models pull "
        "qwen3-asr-0.6b. Then start the server again."
    )
    assert "models pull indextts-2 --accept-license." in known_model("indextts-2", known_engines()).advice


def test_a_damaged_name_is_no_path(tmp_path):
    """The file is ours, and is read with the care that a plugin's description gets."""
    model = {"id": "x", "parts": [{"name": "p", "folder": "../up", "hub": {"repo": "a/b"}}]}
    engine = {"distribution": "speechhub-x", "engine": "x", "slot": "stt", "devices": [], "models": [model]}
    (tmp_path / "known.json").write_text(json.dumps([engine]), "utf-8")

    with pytest.raises(ConfigurationError, match="unsafe name"):
        known_engines(tmp_path / "known.json")

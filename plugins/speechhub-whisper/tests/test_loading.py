"""Loading: options, other models, and folders that are not models."""

import shutil
from pathlib import Path

import pytest

from speechhub.engine import (
    Audio,
    Call,
    ConfigurationError,
    EngineLoadError,
    LoadContext,
    Task,
    TranscribeRequest,
    UnsupportedValueError,
)
from speechhub.errors import ModelFilesError
from speechhub_whisper import WHISPER_TINY_EN
from speechhub_whisper.engine import WhisperEngine
from speechhub_whisper.languages import LANGUAGES, from_whisper, to_whisper


def test_an_english_model_knows_only_english(store, clip):
    """Whisper tiny.en transcribes English, and refuses other languages and translation."""
    try:
        folder = store.resolve(WHISPER_TINY_EN)
    except ModelFilesError:
        pytest.skip("the extra tiny-en is not installed")
    engine = WhisperEngine()
    engine.load(LoadContext(model="whisper-tiny-en", model_dir=folder))
    audio = Audio(samples=clip("en"), sample_rate=16_000)

    [transcript] = engine.transcribe([TranscribeRequest(audio=audio)], Call())

    assert "lighthouse" in transcript.text
    assert transcript.language == "en"
    with pytest.raises(UnsupportedValueError, match="'fr'"):
        engine.transcribe([TranscribeRequest(audio=audio, language="fr")], Call())
    with pytest.raises(UnsupportedValueError, match="translate"):
        engine.transcribe([TranscribeRequest(audio=audio, task=Task.TRANSLATE)], Call())


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_an_incomplete_folder_is_named(model_dir, tmp_path, missing):
    """What a folder lacks is said; nothing is downloaded in its place."""
    shutil.copytree(model_dir, tmp_path / "model", copy_function=lambda _, new: Path(new).touch())
    (tmp_path / "model" / missing).unlink()

    with pytest.raises(EngineLoadError, match=missing.replace(".", r"\.")):
        WhisperEngine().load(LoadContext(model="mine", model_dir=tmp_path / "model"))


def test_a_damaged_model_is_named(model_dir, tmp_path):
    """A model.bin that was cut short is an error that names the model."""
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(model_dir / name, tmp_path)
    (tmp_path / "model.bin").write_bytes((model_dir / "model.bin").read_bytes()[:1_000_000])

    with pytest.raises(EngineLoadError, match="'mine'"):
        WhisperEngine().load(LoadContext(model="mine", model_dir=tmp_path))


def test_no_gpu_is_an_error_not_a_crash(model_dir):
    """A device that is not there is named."""
    with pytest.raises(EngineLoadError, match="cuda:7"):
        WhisperEngine().load(LoadContext(model="mine", model_dir=model_dir, device="cuda:7"))


@pytest.mark.parametrize(
    "options", [{"beam_size": 0}, {"vad_threshold": 2}, {"no_such": 1}, {"vad": "perhaps"}]
)
def test_wrong_options_are_refused(model_dir, options):
    """A mistake in the operator's options is found before the model is loaded."""
    with pytest.raises(ConfigurationError):
        WhisperEngine().load(LoadContext(model="mine", model_dir=model_dir, options=options))


def test_without_vad_everything_is_decoded(model_dir, clip):
    """With vad off, a recording is decoded as it is, however long."""
    engine = WhisperEngine()
    engine.load(LoadContext(model="mine", model_dir=model_dir, options={"vad": False, "beam_size": 1}))

    audio = Audio(samples=clip("en"), sample_rate=16_000)
    [transcript] = engine.transcribe([TranscribeRequest(audio=audio)], Call())

    assert "lighthouse" in transcript.text


def test_whispers_own_codes_stay_inside():
    """Javanese is jv outside and jw inside; all others are the same."""
    assert to_whisper("jv") == "jw"
    assert from_whisper("jw") == "jv"
    assert len(LANGUAGES) == len(set(LANGUAGES)) == 99
    assert all(from_whisper(to_whisper(code)) == code for code in LANGUAGES)

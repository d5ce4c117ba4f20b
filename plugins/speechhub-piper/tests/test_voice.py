"""Finding voices in folders, with one speaker and with many."""

import json
import shutil

import pytest

from speechhub.engine import Call, ConfigurationError, EngineLoadError, LoadContext, SynthesizeRequest
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine
from speechhub_piper.voice import find_voice, speakers_of, voices_of


@pytest.fixture
def other(model_dir, tmp_path):
    """Put Joe into another folder under another name, with a changed description."""

    def make(name="xx_YY-jane-low", **changes):
        config = json.loads((model_dir / "en_US-joe-medium.onnx.json").read_text())
        shutil.copy(model_dir / "en_US-joe-medium.onnx", tmp_path / f"{name}.onnx")
        (tmp_path / f"{name}.onnx.json").write_text(json.dumps(config | changes))
        return tmp_path

    return make


def test_any_voice_can_be_loaded_from_its_folder(other):
    """A folder with one voice needs no further description; the voice has the name of its data set."""
    engine = PiperEngine()
    engine.load(LoadContext(model="mine", model_dir=other(dataset="jane")))

    [voice] = engine.voices()
    assert (voice.id, voice.name, voice.languages) == ("jane", "Jane", ("en",))
    assert next(engine.synthesize(SynthesizeRequest(text="Hi.", voice="jane"), Call())).duration_s > 0.2


def test_many_speakers_are_many_voices():
    """Each speaker of a multi-speaker voice is a voice of the model, with its number inside."""
    config = {
        "num_speakers": 2,
        "speaker_id_map": {"p_1": 0, "p_2": 1},
        "language": {"family": "de"},
    }

    speakers = speakers_of(None, config)

    assert speakers == {"p_1": 0, "p_2": 1}
    assert [(voice.id, voice.name, voice.languages) for voice in voices_of(config, speakers)] == [
        ("p_1", "P 1", ("de",)),
        ("p_2", "P 2", ("de",)),
    ]


def test_the_speaker_reaches_the_model(engine, monkeypatch):
    """A request for a speaker runs the model with that speaker's number."""
    seen = []
    run = engine._voice.phoneme_ids_to_audio
    monkeypatch.setattr(engine, "_speakers", {"one": 0, "two": 1})
    monkeypatch.setattr(
        engine._voice, "phoneme_ids_to_audio", lambda ids, how: seen.append(how.speaker_id) or run(ids, how)
    )

    list(engine.synthesize(SynthesizeRequest(text="Hi.", voice="two"), Call()))

    assert seen == [1]


def test_the_speaker_is_named_after_the_file_without_a_description(other):
    """Where the description names no data set, the file's name does."""
    path, config = find_voice(other(dataset=None))

    assert speakers_of(path, config) == {"jane": None}


def test_a_folder_without_a_voice_is_named(tmp_path):
    """An empty folder, and a model without its description, are no voices."""
    with pytest.raises(EngineLoadError, match="Found: none"):
        find_voice(tmp_path)
    (tmp_path / "a.onnx").touch()
    with pytest.raises(EngineLoadError, match="Found: none"):
        find_voice(tmp_path)


def test_two_voices_are_one_too_many(other):
    """A folder with several voices does not say which is meant."""
    other("a")

    with pytest.raises(EngineLoadError, match=r"Found: a\.onnx, b\.onnx"):
        find_voice(other("b"))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_broken_description_is_named(other, text):
    """A description that cannot be used is an error that names the file."""
    folder = other("v")
    (folder / "v.onnx.json").write_text(text)

    with pytest.raises(EngineLoadError, match=r"v\.onnx"):
        PiperEngine().load(LoadContext(model="mine", model_dir=folder))


def test_a_broken_model_is_named(other):
    """A model that was cut short is an error that names the file."""
    folder = other("v")
    (folder / "v.onnx").write_bytes((folder / "v.onnx").read_bytes()[:1_000_000])

    with pytest.raises(EngineLoadError, match=r"v\.onnx"):
        PiperEngine().load(LoadContext(model="mine", model_dir=folder))


def test_a_chinese_voice_says_what_it_needs(other):
    """The data that Piper would download is asked for instead: workers have no network."""
    with pytest.raises(EngineLoadError, match="g2pW"):
        PiperEngine().load(LoadContext(model="mine", model_dir=other(phoneme_type="pinyin")))


def test_no_gpu_is_an_error(model_dir):
    """A GPU that this onnxruntime cannot use is an error, not a silent CPU."""
    with pytest.raises(EngineLoadError, match="GPU"):
        PiperEngine().load(LoadContext(model=JOE.id, model_dir=model_dir, device="cuda:0"))


@pytest.mark.parametrize("options", [{"sentence_silence_s": -1}, {"loudness_db": 3}, {"no_such": 1}])
def test_wrong_options_are_refused(model_dir, options):
    """A mistake in the operator's options is named."""
    with pytest.raises(ConfigurationError):
        PiperEngine().load(LoadContext(model=JOE.id, model_dir=model_dir, options=options))

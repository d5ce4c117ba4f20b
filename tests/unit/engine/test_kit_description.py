"""The conformance kit reads specs: it passes good ones and says what is wrong with others."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from speechhub.engine import (
    Compute,
    EmotionMode,
    EngineSpec,
    HubSource,
    ModelFile,
    ModelPart,
    ModelSpec,
    Slot,
    SttCapabilities,
    TtsCapabilities,
    Voice,
    WheelFile,
)
from speechhub.engine.testing import check_stt_engine, check_tts_engine
from speechhub.engine.testing.compute import compute
from speechhub.engine.testing.description import DESCRIPTION_CHECKS

GOOD_FILE = ModelFile(
    path="voices/de.onnx",
    sha256="0" * 64,
    size_bytes=3,
    wheel=(WheelFile(distribution="weights", version="1.0", path="weights/de.onnx"),),
)
GOOD_PART = ModelPart(
    name="aligner", folder="parts/aligner", hub=HubSource(repo="a/b"), files=(ModelFile(path="x.bin"),)
)
EAR = ModelPart(
    name="ear", folder="parts/ear", hub=HubSource(repo="a/c"), optional=True, enables="word_timestamps"
)
WORDS = SttCapabilities(segment_timestamps=True, word_timestamps=True, word_languages=("en",))
GOOD_MODEL = ModelSpec(
    id="good-0.6b",
    files=(GOOD_FILE,),
    hub=HubSource(repo="Some.One/good_0.6B", prefix="onnx/"),
    parts=(GOOD_PART, EAR),
    capabilities=WORDS,
    languages=("en", "zh", "yue"),
)


ANSWERS = {}
"""Functions that specs name as theirs."""


def stt(**fields):
    """Return the spec of an STT engine that cannot be imported: nothing here needs it to be."""
    given = {"name": "good", "slot": Slot.STT, "factory": "nowhere:Engine", "capabilities": SttCapabilities()}
    return EngineSpec(**{**given, "models": (GOOD_MODEL,), "devices": ("cuda", "cpu"), **fields})


def answering(answer):
    """Return a spec whose environment answers so."""
    name = f"answer_{len(ANSWERS)}"
    ANSWERS[name] = globals()[name] = lambda: answer
    return stt(compute=f"{__name__}:{name}")


def with_model(**fields):
    return stt(models=(replace(GOOD_MODEL, **fields),))


def with_file(**fields):
    return with_model(files=(replace(GOOD_FILE, **fields),))


def with_part(**fields):
    return with_model(parts=(GOOD_PART, replace(GOOD_PART, **({"name": "ear", "folder": "ear"} | fields))))


def able(**fields):
    return stt(capabilities=SttCapabilities(**fields))


def tts(**fields):
    given = {"name": "good", "slot": Slot.TTS, "factory": "nowhere:Engine", "capabilities": TtsCapabilities()}
    return EngineSpec(**{**given, **fields})


def speaking(*voices):
    return tts(models=(ModelSpec(id="m", voices=voices),))


def in_wheel(**fields):
    return with_file(wheel=(WheelFile(distribution="w", **fields),))


BROKEN = [
    ("names", "'My Engine'", stt(name="My Engine")),
    ("names", "'Whisper_Base'", with_model(id="Whisper_Base")),
    ("names", "Two are called 'good-0.6b'", stt(models=(GOOD_MODEL, GOOD_MODEL))),
    ("names", "line breaks", stt(description="one\ntwo")),
    ("licences", "without a name and an address", with_model(must_accept_licence=True)),
    ("licences", "without a name", with_model(must_accept_licence=True, licence="Own-1.0")),
    ("devices", "can run nowhere", stt(devices=())),
    ("devices", "'cuda:0' is not a kind", stt(devices=("cuda:0",))),
    ("devices", "Two are called 'cpu'", stt(devices=("cpu", "cpu"))),
    ("prebuild", "cannot be imported", stt(prebuild="nowhere.at.all:prebuild")),
    ("prebuild", "is not a function", stt(prebuild=f"{__name__}:ANSWERS")),
    ("compute", "cannot be imported", stt(compute="nowhere.at.all:compute")),
    ("compute", "cannot be imported", stt(compute=f"{__name__}:no_such_function")),
    ("compute", "must return a speechhub.engine.Compute", answering("text")),
    ("compute", "'tpu', which `devices` of the spec lacks", answering(Compute(kinds=("cuda", "tpu")))),
    ("compute", "leaves out cuda: say why", answering(Compute(kinds=("cpu",)))),
    ("compute", "leaves out cuda: say why", answering(Compute(kinds=("cpu",), problem="No GPU."))),
    ("compute", "the architecture '8.6'", answering(Compute(kinds=("cuda", "cpu"), architectures=("8.6",)))),
    ("capabilities", "'english' of word_languages", able(word_languages=("english",))),
    ("capabilities", "sample_rate is 16", able(sample_rate=16)),
    ("capabilities", "max_batch is 0", able(max_batch=0)),
    ("capabilities", "longest_input_s is 0", able(longest_input_s=0)),
    ("capabilities", "need segment_timestamps", able(word_timestamps=True)),
    ("capabilities", "need segment_timestamps", with_model(capabilities=SttCapabilities(diarization=True))),
    ("capabilities", "leave it out", tts(capabilities=TtsCapabilities(emotions=(EmotionMode.AUTO,)))),
    ("capabilities", "_sample_rate is 24;", tts(capabilities=TtsCapabilities(reference_sample_rate=24))),
    ("capabilities", "_reference_s is 0.5", tts(capabilities=TtsCapabilities(longest_reference_s=0.5))),
    ("capabilities", "longest_input_chars is 0", tts(capabilities=TtsCapabilities(longest_input_chars=0))),
    ("languages", "is not an ISO 639-1 code; write 'en'", with_model(languages=("english",))),
    ("languages", "'xx'", with_model(languages=("xx",))),
    ("languages", "Two are called 'en'", with_model(languages=("en", "en"))),
    ("voices", "cannot have voices", with_model(voices=(Voice(id="anna"),))),
    ("voices", "Two are called 'anna'", speaking(Voice(id="anna"), Voice(id="Anna"))),
    ("voices", "write 'pt'", speaking(Voice(id="joe", languages=("pt-BR",)))),
    ("files", "'/etc/passwd' must be a relative path", with_file(path="/etc/passwd")),
    ("files", "'../x' must be a relative path", with_file(path="../x")),
    ("files", "forward slashes", with_file(path="a\\b")),
    ("files", "64 lower-case hex digits", with_file(sha256="ABC")),
    ("files", "size_bytes", with_file(size_bytes=-1)),
    ("files", "must be unique", with_model(files=(GOOD_FILE, GOOD_FILE))),
    ("files", "needs a distribution", in_wheel(version="", path="x")),
    ("files", "'/x' must be a relative path", in_wheel(version="1", path="/x")),
    ("files", "'owner/name'", with_model(hub=HubSource(repo="https://hub.example/owner/name"))),
    ("files", "must end with '/'", with_model(hub=HubSource(repo="a/b", prefix="onnx"))),
    ("files", "needs a revision", with_model(hub=HubSource(repo="a/b", revision=""))),
    ("files", "Two are called 'aligner'", with_part(name="aligner")),
    ("files", "'My Part' is not a valid name", with_part(name="My Part")),
    ("files", "'../ear' must be a relative path", with_part(folder="../ear")),
    ("files", "'' must be a relative path", with_part(folder="")),
    ("files", "'owner/name'", with_part(hub=HubSource(repo="ear"))),
    ("files", "'/x' must be a relative path", with_part(files=(ModelFile(path="/x"),))),
    ("files", "path in part 'ear' must be unique", with_part(files=(GOOD_FILE, GOOD_FILE))),
    ("files", "'voices/de.onnx' lies in folder 'voices'", with_part(folder="voices")),
    ("files", "'parts/aligner' lies in folder 'parts'", with_part(folder="parts")),
    ("files", "enables 'words', which", with_part(enables="words", optional=True)),
    ("files", "enables 'prompt', which", with_part(enables="prompt", optional=True)),
    ("files", "and the part optional", with_part(enables="word_timestamps")),
    ("files", "memory_bytes", with_model(memory_bytes=-1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "says", "spec"), BROKEN, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_wrong_description_is_caught(check, says, spec):
    """What a spec says wrongly is found before the engine is even imported."""
    with pytest.raises(AssertionError) as caught:
        (check_stt_engine if spec.slot is Slot.STT else check_tts_engine)(spec)

    first, _, rest = str(caught.value).partition("\n")
    assert f" fails {check!r}: " in first
    assert says in rest


def test_a_good_description_passes(tmp_path):
    """A spec with all that a spec can have fails at its factory only, which is not there."""
    with pytest.raises(AssertionError, match=r"fails 'loading'[^\n]*\n.*No module named 'nowhere'"):
        check_stt_engine(stt(), model_dir=tmp_path)


def test_every_check_catches_something():
    """No check of descriptions is without a spec that it catches; the lightness has tests of its own."""
    names = {check.__name__ for check in DESCRIPTION_CHECKS}

    assert names == {check for check, _, _ in BROKEN} | {"light_description"}


@pytest.mark.parametrize(
    "answer",
    [
        Compute(kinds=("cuda", "cpu"), architectures=("sm_75", "sm_90a", "compute_120")),
        Compute(kinds=("cpu",), problem="No libcublas.", fix="pip install it"),
    ],
)
def test_good_answers_pass(answer):
    compute(SimpleNamespace(spec=answering(answer)))

"""The engine behind the real server: what clients get, and what they get when the weights are broken."""

import json
import shutil

import httpx
import numpy as np
import pytest
import srt
import webvtt
from safetensors.torch import load_file, save_file

from tests.e2e.server import serving
from tests.fakes.babble import babble, wav_of

from .conftest import CHINESE, TEXT, high_babble, speech_wav

pytestmark = pytest.mark.e2e
PATIENCE_S = 180
"""The first request imports PyTorch and loads a model; on a loaded machine that takes its time."""


@pytest.fixture(scope="module")
def http(checkpoints, tmp_path_factory):
    """A client of a server with a model that works, one that hears nothing, and three that are broken."""
    cut = shutil.copytree(checkpoints("script"), tmp_path_factory.mktemp("cut") / "model")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    lacking = shutil.copytree(checkpoints("script"), tmp_path_factory.mktemp("lacking") / "model")
    tensors = load_file(lacking / "model.safetensors")
    del tensors["thinker.audio_tower.proj1.weight"]
    save_file(tensors, lacking / "model.safetensors", metadata={"format": "pt"})
    folders = {
        "tiny": checkpoints("script"),
        "silent": checkpoints("silent"),
        "cut": cut,
        "lacking": lacking,
        "wrong": checkpoints("aligner"),
        "polyglot": checkpoints("polyglot"),
    }
    models = {
        name: {"engine": "qwen-asr", "path": str(path), "languages": ["en", "de", "zh"]}
        for name, path in folders.items()
    }
    options = {"qwen-asr": {"dtype": "float32", "aligner": str(checkpoints("aligner")), "device": "cpu"}}
    env = {
        "SPEECHHUB_MODELS": json.dumps(models),
        "SPEECHHUB_ENGINES": json.dumps(options),
        "SPEECHHUB_STT_MODEL": "tiny",
        "SPEECHHUB_THREADS": "1",
        "SPEECHHUB_REQUEST_TIMEOUT_S": str(PATIENCE_S),
        "SPEECHHUB_FIRST_LOAD_TIMEOUT_S": str(PATIENCE_S),
    }
    with (
        serving(tmp_path_factory.mktemp("home"), **env) as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def two_voices():
    """Four passages, the second and the fourth in the other voice."""
    pause = np.zeros(int(5.5 * 16_000), np.float32)
    turns = [babble(9, seed=1), high_babble(7, seed=2), babble(9, seed=3), high_babble(7, seed=4)]
    return wav_of(np.concatenate([part for turn in turns for part in (turn, pause)]))


def transcribe(http, audio=None, **form):
    return http.post(
        "/v1/audio/transcriptions",
        files={"file": ("clip.wav", audio or speech_wav(), "audio/wav")},
        data={"model": "tiny"} | form,
    )


def events_of(answer):
    lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]


@pytest.mark.mission("5.6")
def test_the_transcript_is_exact(http):
    """JSON has the text; verbose_json the language and the words' times as well."""
    assert transcribe(http).json()["text"] == TEXT

    form = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    verbose = transcribe(http, **form).json()

    assert (verbose["text"], verbose["language"], verbose["duration"]) == (TEXT, "english", 3.0)
    times = [(word["start"], word["end"]) for word in verbose["words"]]
    assert times == [(0.16, 0.32), (0.48, 0.64), (0.8, 0.96), (1.12, 1.28)]
    [segment] = verbose["segments"]
    assert (segment["text"].strip(), segment["start"], segment["end"]) == (TEXT, 0.16, 1.28)


def test_a_named_language_is_reported(http):
    """The language can be given by code or by name."""
    for language in ("de", "German"):
        verbose = transcribe(http, language=language, response_format="verbose_json").json()
        assert (verbose["text"], verbose["language"]) == (TEXT, "german")


def test_subtitles_have_the_aligners_times(http):
    """SRT and VTT begin with the first word and end with the last, at the earliest."""
    [cue] = srt.parse(transcribe(http, response_format="srt").text)
    assert (cue.content.strip(), cue.start.total_seconds()) == (TEXT, 0.16)
    assert cue.end.total_seconds() >= 1.28

    [caption] = webvtt.from_string(transcribe(http, response_format="vtt").text)
    assert (caption.text, caption.start) == (TEXT, "00:00:00.160")


def test_text_comes_in_events(http):
    """Each token is an event, and the last one has the whole text."""
    events = events_of(transcribe(http, stream="true"))

    deltas = [event["delta"] for event in events if event["type"] == "transcript.text.delta"]
    assert deltas == ["The", " quick", " brown", " fox", "."]
    assert events[-1]["type"] == "transcript.text.done"
    assert events[-1]["text"] == TEXT


@pytest.mark.parametrize("streamed", [False, True])
def test_a_recording_in_two_languages_comes_out_in_both(http, two_voices, streamed):
    """Each passage is heard in its own; told that of the first, the model would translate the others."""
    answer = transcribe(http, two_voices, model="polyglot", stream=str(streamed).lower())
    done = events_of(answer)[-1] if streamed else answer.json()

    assert done["text"] == (TEXT + "".join(CHINESE)) * 2
    assert done["languages"] == [{"code": "en"}, {"code": "zh"}]


def test_a_named_language_holds_for_every_passage(http, two_voices):
    """And the model writes in it, whatever is spoken."""
    answer = transcribe(http, two_voices, model="polyglot", language="en").json()

    assert answer["text"] == " ".join([TEXT] * 4)
    assert answer["languages"] == [{"code": "en"}]


def test_a_client_that_leaves_harms_nobody(http):
    """After a client hangs up in the middle of the text, the server serves the next one."""
    body = {
        "files": {"file": ("clip.wav", speech_wav(), "audio/wav")},
        "data": {"model": "tiny", "stream": "true"},
    }
    with http.stream("POST", "/v1/audio/transcriptions", **body) as answer:
        next(answer.iter_lines())

    assert transcribe(http).json()["text"] == TEXT


def test_a_noise_is_no_text(http):
    """The model would hear words in it, so it is not asked."""
    noise = np.random.default_rng(3).normal(0, 0.1, 32_000).astype(np.float32)

    answer = transcribe(http, wav_of(noise))

    assert (answer.status_code, answer.json()["text"]) == (200, "")


def test_no_speech_is_an_empty_text(http):
    """The model's own "no speech" is no error."""
    answer = transcribe(http, model="silent")

    assert (answer.status_code, answer.json()["text"]) == (200, "")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("cut", "model.safetensors of model 'cut' is damaged"),
        ("lacking", "thinker.audio_tower.proj1.weight"),
        ("wrong", "holds Qwen3-ForcedAligner, not Qwen3-ASR"),
    ],
)
def test_a_broken_checkpoint_is_a_clear_error(http, model, says):
    """The answer says what is wrong with it; everything else goes on working."""
    answer = transcribe(http, model=model)

    assert answer.status_code >= 500
    assert says in answer.json()["error"]["message"]
    assert transcribe(http).json()["text"] == TEXT

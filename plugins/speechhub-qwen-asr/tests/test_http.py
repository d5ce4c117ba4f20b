"""The engine behind the real server: what clients get, and what they get when the weights are broken."""

import json
import shutil

import httpx
import pytest
import srt
import webvtt

from tests.e2e.server import serving

from .conftest import TEXT, tone_wav

pytestmark = pytest.mark.e2e
PATIENCE_S = 180
"""The first request imports PyTorch and loads a model; on a loaded machine that takes its time."""


@pytest.fixture(scope="module")
def http(checkpoints, tmp_path_factory):
    """A client of a server with a model that works, one that hears nothing, and one whose file is cut off."""
    broken = shutil.copytree(checkpoints("script"), tmp_path_factory.mktemp("broken") / "model")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    folders = {"tiny": checkpoints("script"), "silent": checkpoints("silent"), "broken": broken}
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


def transcribe(http, audio=None, **form):
    return http.post(
        "/v1/audio/transcriptions",
        files={"file": ("clip.wav", audio or tone_wav(), "audio/wav")},
        data={"model": "tiny"} | form,
    )


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
    events = [
        json.loads(line.removeprefix("data: "))
        for line in transcribe(http, stream="true").text.splitlines()
        if line.startswith("data: {")
    ]

    deltas = [event["delta"] for event in events if event["type"] == "transcript.text.delta"]
    assert deltas == ["The", " quick", " brown", " fox", "."]
    assert events[-1]["type"] == "transcript.text.done"
    assert events[-1]["text"] == TEXT


def test_a_client_that_leaves_harms_nobody(http):
    """Whoever hangs up in the middle of the text leaves a server that serves the next."""
    body = {
        "files": {"file": ("clip.wav", tone_wav(), "audio/wav")},
        "data": {"model": "tiny", "stream": "true"},
    }
    with http.stream("POST", "/v1/audio/transcriptions", **body) as answer:
        next(answer.iter_lines())

    assert transcribe(http).json()["text"] == TEXT


def test_no_speech_is_an_empty_text(http):
    """The model's own "no speech" is no error."""
    answer = transcribe(http, model="silent")

    assert (answer.status_code, answer.json()["text"]) == (200, "")


def test_broken_weights_are_a_clear_error(http):
    """The answer says which file is damaged; everything else goes on working."""
    answer = transcribe(http, model="broken")

    assert answer.status_code >= 500
    assert "model.safetensors" in answer.json()["error"]["message"]
    assert transcribe(http).json()["text"] == TEXT

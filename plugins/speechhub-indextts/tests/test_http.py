"""The engine behind the real server: what clients hear, and what they are told when something is missing."""

import base64
import io
import json
import os
import shutil
import wave
from pathlib import Path

import httpx
import numpy as np
import pytest

from speechhub import __version__
from speechhub.environments.read import describe
from speechhub.environments.record import Record, state_of, write_record
from tests.e2e.server import serving
from tests.e2e.turns import Lookout

from .conftest import QUICK, TEXT, buzz

pytestmark = pytest.mark.e2e
PATIENCE_S = 600
"""The first request imports PyTorch and loads a model; on a loaded machine that takes its time."""
LONG_TEXT = " ".join([TEXT] * 60)[:5000]
TURNS = int(os.environ.get("SWITCH_TURNS", "3"))
"""Rounds of two engines that take turns; 20 take minutes, nearly all of them imports of PyTorch."""
VENV = Path(__file__).parents[3] / ".venv"
"""The repository's own environment, which has Whisper in it."""
MODELS = ("indextts-2", "indextts-2.5")
LIMITS = {
    "SPEECHHUB_THREADS": "1",
    "SPEECHHUB_MAX_INPUT_CHARS": "5000",
    "SPEECHHUB_REQUEST_TIMEOUT_S": str(PATIENCE_S),
    "SPEECHHUB_FIRST_LOAD_TIMEOUT_S": str(PATIENCE_S),
    "SPEECHHUB_SWITCH_TIMEOUT_S": str(PATIENCE_S),
    "SPEECHHUB_HEARTBEAT_TIMEOUT_S": "120",
}


def wav(duration_s=2.0, hertz=180.0):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(22_050)
        out.writeframes((buzz(duration_s, hertz).samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def clip(**sound):
    return base64.b64encode(wav(**sound)).decode()


def settings(checkpoints, **folders):
    paths = {f"indextts-{number}": checkpoints(number) for number in ("2", "2.5")} | folders
    models = {name: {"engine": "indextts", "path": str(path)} for name, path in paths.items()}
    return LIMITS | {
        "SPEECHHUB_MODELS": json.dumps(models),
        "SPEECHHUB_ENGINES": json.dumps({"indextts": QUICK | {"device": "cpu", "segment_tokens": 30}}),
        "SPEECHHUB_TTS_MODEL": "indextts-2.5",
        "SPEECHHUB_ACCEPT_LICENSES": "all",
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The server's home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(checkpoints, home, tmp_path_factory):
    """A server with both generations, a model that lacks a file, and one whose config.yaml is no use."""
    broken = tmp_path_factory.mktemp("broken")
    lacking = shutil.copytree(checkpoints("2.5"), broken / "lacking", symlinks=True)
    (lacking / "hf_cache" / "bigvgan" / "bigvgan_generator.pt").unlink()
    odd = broken / "odd"
    odd.mkdir()
    (odd / "config.yaml").write_text("gpt: [")
    env = settings(checkpoints, lacking=lacking, odd=odd)
    with serving(home, **env) as found:
        yield found


@pytest.fixture(scope="module")
def http(server):
    """A client of that server."""
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        yield client


def speech(http, **fields):
    body = {"model": "indextts-2.5", "input": TEXT, "voice": clip(), "response_format": "pcm"}
    return http.post("/v1/audio/speech", json=body | fields)


def spoken(http, **fields):
    answer = speech(http, **fields)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<i2")


@pytest.mark.mission("6.3", "6.5", "6.7")
@pytest.mark.parametrize("model", MODELS)
def test_each_kind_of_voice_and_emotion_speaks(http, model):
    """Cloned from base64, with each emotion: all are heard, and with one seed none is like the plain one."""
    wishes = [
        {},
        {"voice": clip(hertz=260.0)},
        {"emotion": {"mode": "audio", "audio": clip(hertz=320.0)}},
        {"emotion": {"mode": "vector", "vector": {"sad": 0.9}}},
        {"emotion": {"mode": "vector", "vector": [0, 0, 0, 0.9, 0, 0, 0, 0]}},
        {"emotion": {"mode": "text", "text": "so happy"}},
        {"instructions": "Very happy, please."},
    ]

    heard = [spoken(http, model=model, seed=11, **wish) for wish in wishes]

    assert all(np.abs(samples).max() > 1000 for samples in heard)
    assert not any(np.array_equal(samples, heard[0]) for samples in heard[1:])
    assert np.array_equal(spoken(http, model=model, seed=11), heard[0])
    assert not np.array_equal(spoken(http, model=model, seed=12), heard[0])


def test_a_stored_voice_is_analysed_once(http, home):
    """It speaks by its name; what was computed from it is kept with the voice, and goes with it."""
    form = {"name": "them", "language": "en"}
    agreed = http.post("/v1/audio/voice_consents", data=form, files={"recording": wav()}).json()["id"]
    sample = {"audio_sample": ("them.wav", wav(), "audio/wav")}
    voice = http.post("/v1/audio/voices", data={"name": "them", "consent": agreed}, files=sample).json()

    first = spoken(http, voice={"id": voice["id"]}, seed=3)
    again = spoken(http, voice="them", seed=3)
    features = home / "voices" / "features" / "indextts-2.5"
    kept = [path.suffix for path in features.iterdir()]
    http.delete(f"/v1/audio/voices/{voice['id']}")

    assert np.array_equal(first, again)
    assert kept == [".safetensors", ".safetensors"]
    assert not list(features.iterdir())


@pytest.mark.mission("6.11")
@pytest.mark.parametrize("model", MODELS)
def test_audio_flows_before_the_text_is_spoken(http, model):
    """The first bytes come long before the last; together they are the whole."""
    body = {"model": model, "input": LONG_TEXT, "voice": clip(), "response_format": "pcm"}
    with http.stream("POST", "/v1/audio/speech", json=body) as answer:
        assert answer.status_code == 200
        sizes = [len(piece) for piece in answer.iter_raw()]

    assert len(sizes) > 20
    assert sizes[0] < sum(sizes) / 10


@pytest.mark.parametrize("model", MODELS)
def test_speed_changes_the_length(http, model):
    """Twice the speed is half the time, natively or by stretching."""
    wish = {"model": model, "seed": 1, "silence_interval_ms": 0}
    normal, fast = (len(spoken(http, speed=speed, **wish)) for speed in (1.0, 2.0))

    assert fast == pytest.approx(normal / 2, rel=0.25)


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_harms_nobody(http, model):
    """After a client hangs up in the middle, the engine serves the next one, in the same process."""
    body = {"model": model, "input": LONG_TEXT, "voice": clip(), "response_format": "pcm"}
    with http.stream("POST", "/v1/audio/speech", json=body) as answer:
        next(answer.iter_raw())

    assert np.abs(spoken(http, model=model)).max() > 1000


@pytest.mark.parametrize("text", ["\N{SLIGHTLY SMILING FACE}", "?!", "..."])
def test_a_text_without_words_is_silence(http, text):
    """There is nothing to say, and that is no error."""
    assert speech(http, input=text).status_code == 200


def test_what_cannot_be_spoken_is_refused(http):
    """No text, and no voice: both are told."""
    assert speech(http, input="  ").status_code == 400
    answer = speech(http, voice="alloy")
    assert (answer.status_code, "no voices of its own" in answer.text) == (400, True)


@pytest.mark.mission("14.6")
def test_missing_files_are_told_by_name(http):
    """A file that is not there, and a config that cannot be read, are named; the others go on working."""
    for model, said in (("lacking", "hf_cache/bigvgan/bigvgan_generator.pt"), ("odd", "config.yaml")):
        answer = speech(http, model=model)
        assert answer.status_code >= 500
        assert said in answer.json()["error"]["message"]
    assert np.abs(spoken(http)).max() > 1000


def test_the_licence_must_be_accepted(tmp_path):
    """Before that, nothing is fetched or loaded, and the answer says how to accept it."""
    with serving(tmp_path, **LIMITS, SPEECHHUB_OFFLINE="true") as server:
        answer = httpx.post(
            f"{server.url}/v1/audio/speech",
            json={"model": "indextts-2", "input": TEXT, "voice": clip()},
            timeout=PATIENCE_S,
        )

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "license_not_accepted"


@pytest.fixture
def with_whisper(tmp_path):
    """A home in which the repository's own environment is that of an engine; its Whisper is a real one."""
    python = VENV / "bin" / "python"
    if not python.exists():
        pytest.skip("the repository's .venv is not there: scripts/test makes it")
    home = tmp_path / "engines" / "neighbours"
    environment = home / "env-neighbours"  # its own folder, as a link to another would be refused
    environment.mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(VENV / part)
    description = describe(environment / "bin" / "python")
    record = Record(
        name="neighbours",
        folder="env-neighbours",
        requirement="speechhub-whisper",
        build="",
        state=state_of(description.folders, __version__),
        description=description,
    )
    write_record(home, record)
    return tmp_path


@pytest.mark.mission("6.4")
def test_it_takes_turns_with_another_engine(checkpoints, with_whisper):
    """Whisper and IndexTTS on one device: never both at once, no process stays, nothing is left open."""
    env = settings(checkpoints) | {"SPEECHHUB_CPU_EXCLUSIVE": "true", "SPEECHHUB_STANDBY": "off"}
    with (
        serving(with_whisper, **env) as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client,
    ):
        switches, seen = [], Lookout(server)

        def note_switch():
            [cpu] = [device for device in client.get("/health").json()["devices"] if device["name"] == "cpu"]
            switches.append(cpu["last_switch"])

        def turn(number):
            files = {"file": ("clip.wav", wav(), "audio/wav")}
            heard = client.post("/v1/audio/transcriptions", files=files, data={"model": "whisper-base"})
            assert heard.status_code == 200, heard.text
            note_switch()
            assert np.abs(spoken(client, model=MODELS[number % 2], input="One two.")).max() > 1000
            note_switch()

        with seen:
            turn(0)
            before = server.descriptors()
            for number in range(1, TURNS):
                turn(number)

        assert server.descriptors() <= before + 2
        assert (seen.most_processes, seen.most_on_device) == (1, 1)
        assert seen.looks > 10 * TURNS
    if report := os.environ.get("SWITCH_REPORT"):
        Path(report).write_text(json.dumps(switches, indent=1))
    assert len(switches) == 2 * TURNS
    assert {switch["target"] for switch in switches} == {"whisper-base", *MODELS}

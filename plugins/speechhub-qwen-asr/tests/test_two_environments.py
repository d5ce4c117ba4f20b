"""One server, two engines that cannot share an environment: Whisper beside the hub, Qwen3-ASR apart.

The hub is the repository's .venv. The environment of Qwen3-ASR is made by ``speechhub engines install``, with
a package that leads to this environment's own instead of the gigabyte that the pins would bring.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest

from speechhub_qwen_asr import ALIGNER
from tests.e2e.server import serving
from tests.e2e.wheels import PLUGINS, plugin_wheel, write_wheel

from .conftest import TEXT, speech_wav

pytestmark = pytest.mark.e2e
HUB = PLUGINS.parent / ".venv" / "bin" / "python"
CLIP = PLUGINS / "speechhub-whisper" / "tests" / "clips" / "en.ogg"
SAID = "The old lighthouse stood at the edge of the cliff."
PATIENCE_S = 300
ABOUT = "import sys, importlib.metadata as m; m.version('speechhub-whisper'); print(*sys.version_info[:2])"


def why_not():
    """Say why this cannot be tried here; nothing if it can."""
    if not HUB.exists():
        return "the repository has no .venv: run scripts/test once"
    asked = subprocess.run([str(HUB), "-c", ABOUT], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return "the repository's .venv has no speechhub-whisper"
    versions = asked.stdout.split(), [str(part) for part in sys.version_info[:2]]
    return "" if versions[0] == versions[1] else f"the repository's .venv runs Python {'.'.join(versions[0])}"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with Qwen3-ASR in an environment of its own."""
    if reason := why_not():
        pytest.skip(reason)
    made, wheels = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("wheels")
    plugin = plugin_wheel(wheels, "qwen-asr")
    write_wheel(wheels, "all_else", "1.0", {"all_else.pth": f"{sysconfig.get_path('purelib')}\n"})
    pins = wheels / "pins.txt"
    pins.write_text("all-else==1.0\n")
    dropped = ("PIP_", "UV_", "SPEECHHUB_", "VIRTUAL_ENV")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | {
        "SPEECHHUB_HOME": str(made),
        "SPEECHHUB_OFFLINE": "true",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": wheels.as_uri(),
    }
    command = [str(HUB), "-m", "speechhub", "engines", "install", str(plugin), "--pins", str(pins)]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert "qwen-asr: qwen-asr installed" in done.stdout
    return made


@pytest.fixture(scope="module")
def server(home, checkpoints, tmp_path_factory):
    """The hub with Whisper, and with two of Qwen3-ASR's models: one has its aligner with it."""
    whole = shutil.copytree(checkpoints("script"), tmp_path_factory.mktemp("whole") / "model")
    shutil.copytree(checkpoints("aligner"), whole / ALIGNER.folder)
    folders = {"tiny": whole, "without": checkpoints("script")}
    models = {name: {"engine": "qwen-asr", "path": str(path)} for name, path in folders.items()}
    env = {
        "SPEECHHUB_MODELS": json.dumps(models),
        "SPEECHHUB_ENGINES": json.dumps({"qwen-asr": {"dtype": "float32", "device": "cpu"}}),
        "SPEECHHUB_CPU_EXCLUSIVE": "true",
        "SPEECHHUB_OFFLINE": "true",
        "SPEECHHUB_REQUEST_TIMEOUT_S": str(PATIENCE_S),
        "SPEECHHUB_FIRST_LOAD_TIMEOUT_S": str(PATIENCE_S),
    }
    with serving(home, python=str(HUB), **env) as running:
        yield running


@pytest.fixture(scope="module")
def transcribe(server):
    """Return a function that transcribes a recording with a model."""
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:

        def call(model, clip, **form):
            files = {"file": ("clip.ogg", clip)}
            return client.post("/v1/audio/transcriptions", files=files, data={"model": model} | form)

        yield call


def worker_python(server):
    """Return the Python of the only worker with a model."""
    [pid] = {line["pid"] for line in server.logged("engine ready")} & set(server.workers())
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()


def test_both_serve_in_turn(server, home, transcribe):
    """Each from its own environment, on a device that holds one at a time; both are right."""
    words = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    heard = [transcribe("whisper-base", CLIP.read_bytes())]
    pythons = [worker_python(server)]
    heard.append(transcribe("tiny", speech_wav(), **words))
    pythons.append(worker_python(server))
    heard.append(transcribe("whisper-base", CLIP.read_bytes()))
    pythons.append(worker_python(server))

    assert [answer.status_code for answer in heard] == [200, 200, 200]
    assert heard[0].json()["text"].startswith(SAID)
    assert heard[1].json()["text"] == TEXT
    assert [word["start"] for word in heard[1].json()["words"]] == [0.16, 0.48, 0.8, 1.12]
    assert heard[2].json() == heard[0].json()
    assert pythons[0] == pythons[2]
    assert Path(pythons[1]).is_relative_to(home / "engines" / "qwen-asr")
    assert not Path(pythons[0]).is_relative_to(home)


def test_word_times_without_the_aligner_are_refused(server, transcribe):
    """The answer says how to fetch it, and comes without a model being loaded."""
    before = server.logged("engine ready")

    answer = transcribe(
        "without", speech_wav(), response_format="verbose_json", **{"timestamp_granularities[]": "word"}
    )

    assert answer.status_code == 400
    assert "speechhub models pull without --with aligner" in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"] == "timestamp_granularities"
    assert server.logged("engine ready") == before

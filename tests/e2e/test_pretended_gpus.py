"""Machines with a GPU that Whisper cannot use, as most have at first: the driver, and no cuBLAS.

The driver is pretended, see tests/fakes/driver; the hub, its workers and Whisper are real.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import ctranslate2
import httpx
import pytest

from speechhub.hub import Hub
from speechhub.settings import Settings
from tests.e2e.server import serving
from tests.fakes.pretended import FOLDER, MACHINES, SECOND, pretend

CLIP = Path(__file__).parents[2] / "plugins/speechhub-whisper/tests/clips/en.ogg"
FIX = "-m pip install 'nvidia-cublas-cu12>=12.1,<13'"
ASKING = "asking what an engine can compute on"

pytestmark = pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a real GPU")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all machines: the model is unpacked once."""
    return tmp_path_factory.mktemp("home")


def transcribe(url, model="whisper-base"):
    with CLIP.open("rb") as file:
        return httpx.post(
            f"{url}/v1/audio/transcriptions",
            files={"file": file},
            data={"model": model, "language": "en"},
            timeout=60,
        )


def doctor(home, env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SPEECHHUB_")}
    done = subprocess.run(
        [sys.executable, "-m", "speechhub", "doctor", "--json"],
        env=clean | {"SPEECHHUB_HOME": str(home)} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)["findings"]


@pytest.mark.scenario("no-gpu-support")
@pytest.mark.parametrize("machine", ["host pids", "MIG"])
def test_whisper_serves_on_the_cpu_and_everybody_hears_why(machine, home, tmp_path):
    env = pretend(MACHINES[machine], tmp_path) | {"SPEECHHUB_STT_MODEL": "whisper-base"}

    with serving(home, **env) as server:
        answer = transcribe(server.url)
        health = httpx.get(f"{server.url}/health").json()
        model = httpx.get(f"{server.url}/v1/models/whisper-base").json()
        warned = [it for it in server.logged("engine is not on its best device") if it["engine"] == "whisper"]
    status, findings = doctor(home, env)

    assert answer.status_code == 200, answer.text
    assert "lighthouse" in answer.text
    assert len(server.logged(ASKING)) == 1
    assert len(warned) == 1
    assert (tmp_path / "driver.log").read_text().split() == ["nvmlInit"] * 2  # the server, and the doctor
    assert model["device"] == "cpu"
    assert "libcublas.so.12 is not installed" in model["device_note"]
    assert any(FIX in warning for warning in health["warnings"])
    assert len(health["gpus"]) == len(MACHINES[machine]["cards"])
    assert status == 1
    [finding] = [it for it in findings if it["subject"] == "engine whisper"]
    assert (finding["verdict"], FIX in finding["finding"]) == ("fail", True)
    [gpus] = [it["finding"] for it in findings if it["subject"] == "GPUs"]
    assert "cuda:0 is NVIDIA" in gpus


@pytest.mark.parametrize("machine", ["no list", "WSL2", "two cards"])
def test_other_machines_place_whisper_alike(machine, home, tmp_path, monkeypatch):
    """The hub is put together as `serve` and `doctor` do it; Whisper's environment is really asked."""
    spec = importlib.util.spec_from_file_location("pynvml", FOLDER / "pynvml.py")
    binding = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(binding)
    monkeypatch.setitem(sys.modules, "pynvml", binding)
    for name, value in pretend(MACHINES[machine], tmp_path).items():
        monkeypatch.setenv(name, value)

    hub = Hub.assemble(Settings(home=home, inspectable=True))

    placed = hub.manager.placements["whisper-base"]
    assert (placed.device.name, placed.fallback) == ("cpu", None)
    assert FIX in placed.device_note
    assert len(hub.monitor.devices()) == len(MACHINES[machine]["cards"])
    hub.monitor.close()
    hub.pools.close()


@pytest.mark.scenario("named-gpu-unusable")
def test_the_gpu_of_the_operator_is_kept_and_a_second_start_asks_nothing(home, tmp_path):
    """No fall-back in silence: the error of the real CTranslate2, with what to install."""
    env = pretend(MACHINES["two cards"], tmp_path) | {
        "SPEECHHUB_STT_MODEL": "whisper-base",
        "CUDA_VISIBLE_DEVICES": SECOND["uuid"],
        "SPEECHHUB_DEVICE": "cuda:0",
    }

    with serving(home, **env) as server:
        answer = transcribe(server.url)
        health = httpx.get(f"{server.url}/health").json()
    with serving(home, **env) as again:
        pass

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "engine_device_unusable"
    assert "Whisper cannot compute on cuda:0" in answer.json()["error"]["message"]
    [gpu] = health["gpus"]
    assert (gpu["index"], gpu["total_bytes"]) == (0, SECOND["total"])
    [note] = [it["device_note"] for it in health["models"] if it["id"] == "whisper-base"]
    assert note.startswith("cuda:0 was requested")
    assert (len(server.logged(ASKING)), len(again.logged(ASKING))) == (1, 0)


PICKY = """
from speechhub.engine import EngineSpec, ModelSpec, Slot, SttCapabilities

SPEC = EngineSpec(
    name="picky", slot=Slot.STT, factory="speechhub_echo.stt:EchoStt", capabilities=SttCapabilities(),
    devices=("cuda", "cpu"), models=(ModelSpec(id="picky-ears", languages=("en",)),),
)
"""
"""An engine that loads on the GPU, and needs cuBLAS first when it works."""


@pytest.mark.scenario("call-shows-no-gpu")
@pytest.mark.parametrize("named", [False, True])
def test_a_call_that_cannot_compute_on_the_gpu_is_answered_by_the_cpu(named, tmp_path):
    """Once, and everybody hears why; an operator who named the device gets the error, and it stays there."""
    (tmp_path / "picky.py").write_text(PICKY)
    info = tmp_path / "picky-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: picky\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[speechhub.stt]\npicky = picky:SPEC\n")
    env = pretend(MACHINES["host pids"], tmp_path) | {
        "SPEECHHUB_STT_MODEL": "picky-ears",
        "SPEECHHUB_ENGINES": json.dumps({"picky": {"unusable_on": "cuda"}}),
    }
    env["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    env |= {"SPEECHHUB_DEVICE": "cuda:0"} if named else {}
    (tmp_path / "home").mkdir()

    with serving(tmp_path / "home", **env) as server:
        answers = [transcribe(server.url, "picky-ears") for _ in range(2)]
        health = httpx.get(f"{server.url}/health").json()
        model = httpx.get(f"{server.url}/v1/models/picky-ears").json()
        moves = server.logged("engine falls back to another device")

    if named:
        assert {it.json()["error"]["code"] for it in answers} == {"engine_device_unusable"}
        assert "libcublas.so.12" in answers[0].json()["error"]["message"]
        assert (model["device"], moves) == ("cuda:0", [])
        return
    assert [it.status_code for it in answers] == [200] * 2
    assert (model["device"], model["state"], len(moves)) == ("cpu", "ready", 1)
    assert "no longer on cuda:0" in model["device_note"]
    assert len([it for it in health["warnings"] if it.startswith("engine picky: It runs on cpu")]) == 1


def test_a_load_that_fails_on_the_gpu_is_done_on_the_cpu(home, tmp_path):
    """The answer of before says that all is well: only the load shows that it is not."""
    env = pretend(MACHINES["host pids"], tmp_path) | {"SPEECHHUB_STT_MODEL": "whisper-base"}
    with serving(home, **env):
        pass
    file = home / "engines" / ".compute.json"
    answers = json.loads(file.read_text())
    answers["whisper"]["compute"] = {"kinds": ["cuda", "cpu"]}
    file.write_text(json.dumps(answers))

    with serving(home, **env) as server:
        before = httpx.get(f"{server.url}/v1/models/whisper-base").json()
        answer = transcribe(server.url)
        after = httpx.get(f"{server.url}/v1/models/whisper-base").json()
        warnings = httpx.get(f"{server.url}/health").json()["warnings"]
    file.unlink()

    assert (before["device"], before["device_note"]) == ("cuda:0", "")
    assert answer.status_code == 200, answer.text
    assert "lighthouse" in answer.text
    assert (after["device"], after["state"]) == ("cpu", "ready")
    assert "no longer on cuda:0" in after["device_note"]
    assert len([it for it in warnings if it.startswith("engine whisper: It runs on cpu")]) == 1
    [moved] = server.logged("engine falls back to another device")
    assert (moved["model"], moved["before"], moved["device"]) == ("whisper-base", "cuda:0", "cpu")

"""The program that meets a GPU for us, on a pretended card, with the engine of this environment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HUB = ROOT / ".venv" / "bin" / "python"
PATIENCE_S = 600

pytestmark = pytest.mark.e2e


needs_hub = pytest.mark.skipif(not HUB.exists(), reason="the repository has no .venv: run scripts/test once")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Return the folder that keeps them for the next test."""
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture
def start(tmp_path, checkpoints):
    """Return a function that starts the program, with all that it leaves below the test's folder."""
    (tmp_path / "tmp").mkdir()
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "PYTHONPATH")}
    environ |= {"SPEECHHUB_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    words = ["--device", "cpu", "--tiny", "--engines", "qwen-asr", "--python", f"qwen-asr={sys.executable}"]
    words += ["--report", str(tmp_path / "gpu-report.json"), "--checkpoints", str(checkpoints)]

    def start(*more):
        command = [str(ROOT / "scripts" / "check_gpu"), *words, *more]
        return subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start


def left(folder):
    """Return which processes and files of a run are still there."""
    mark = str(folder / "tmp").encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found, [*(folder / "tmp").iterdir()]


@needs_hub
def test_all_steps_hold_on_a_pretended_card(tmp_path, start):
    """Real manager, workers and engine; two of its models are never on the card at once."""
    process = start()
    said, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, said
    steps = {step["name"]: step for step in json.loads((tmp_path / "gpu-report.json").read_text())["steps"]}
    assert {name: step["held"] for name, step in steps.items()} == dict.fromkeys(
        ("checkpoints", "context", "load", "turns", "kill", "memory", "stranger", "leak", "small"), True
    )
    turns = steps["turns"]["values"]
    assert turns["most_at_once"] == 1
    assert turns["qwen3-asr-0.6b"]["standby"]["import_s"] == 0 < turns["qwen3-asr-0.6b"]["cold"]["import_s"]
    assert turns["qwen3-asr-0.6b"]["standby"]["load_s"] < turns["qwen3-asr-0.6b"]["cold"]["load_s"]
    assert set(steps["memory"]["values"].values()) == {"said so"}
    loaded = steps["load"]["values"]["qwen3-asr-0.6b"]
    assert 0 < loaded["warm_up_s"] < loaded["load_s"]
    assert turns["qwen3-asr-0.6b"]["warm_up_s"] > 0
    assert left(tmp_path) == ([], [])


@needs_hub
def test_ctrl_c_leaves_no_worker_behind(tmp_path, start):
    """In the midst of a step, with a worker that has the card."""
    process = start("--only", "kill")
    for line in process.stdout:
        if "checkpoints" in line:
            break
    while len(left(tmp_path)[0]) < 2:  # the program, and a worker
        assert process.poll() is None
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert "Stopped. With --resume" in said
    assert left(tmp_path) == ([], [])

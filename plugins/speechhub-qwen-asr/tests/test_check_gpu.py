"""The program that meets a GPU for us, on a pretended card, with the engine of this environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HUB = ROOT / ".venv" / "bin" / "python"
PATIENCE_S = 600

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(not HUB.exists(), reason="the repository has no .venv: run scripts/test once")
def test_all_steps_hold_on_a_pretended_card(tmp_path):
    """Real manager, workers and engine; two of its models are never on the card at once."""
    report = tmp_path / "gpu-report.json"
    words = ["--device", "cpu", "--tiny", "--engines", "qwen-asr", "--report", report]
    command = [ROOT / "scripts" / "check_gpu", *words, "--python", f"qwen-asr={sys.executable}"]
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "PYTHONPATH")}

    done = subprocess.run(
        list(map(str, command)),
        env=environ | {"SPEECHHUB_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    steps = {step["name"]: step for step in json.loads(report.read_text())["steps"]}
    assert {name: step["held"] for name, step in steps.items()} == dict.fromkeys(
        ("checkpoints", "context", "load", "turns", "kill", "memory", "stranger", "leak", "small"), True
    )
    turns = steps["turns"]["values"]
    assert turns["most_at_once"] == 1
    assert turns["qwen3-asr-0.6b"]["standby"]["import_s"] == 0 < turns["qwen3-asr-0.6b"]["cold"]["import_s"]
    assert turns["qwen3-asr-0.6b"]["standby"]["load_s"] < turns["qwen3-asr-0.6b"]["cold"]["load_s"]
    assert set(steps["memory"]["values"].values()) == {"said so"}

"""The program that meets a GPU for us: however it ends, it says what to do, and leaves nothing behind."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes.pretended import CARD, MACHINES, pretend

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import _steps  # noqa: E402 - the path comes first
import check_gpu_pair  # noqa: E402
from gpu_check.bench import Bench, Plan  # noqa: E402
from gpu_check.cards import PretendedCard  # noqa: E402
from gpu_check.options import options  # noqa: E402
from gpu_check.subjects import CannotStartError, kinds, subject, try_card, write  # noqa: E402

PATIENCE_S = 120
TORCH = """#!/bin/sh
case "$*" in
    *importlib.metadata*) echo '{"torch": "2.0"}';;
    *torch.ones*) {ones};;
    *) {write};;
esac
"""


def engine(folder, *, ones="exit 0", write="exit 0"):
    """Return what stands for an engine's Python, PyTorch included."""
    python = folder / "engine python"
    python.write_text(TORCH.replace("{ones}", ones).replace("{write}", write))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


def start(folder, *words, **environ):
    (folder / "tmp").mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return subprocess.Popen(
        [ROOT / "scripts" / "check_gpu", "--engines", "qwen-asr", "--report", folder / "r.json", *words],
        env=inherited | {"PYTHON": sys.executable, "TMPDIR": str(folder / "tmp")} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


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


def ended(process, folder):
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert left(folder) == ([], [])
    return process.returncode, said


@pytest.mark.parametrize(
    ("machine", "device", "said"),
    [
        ({"error": 12}, "cuda:0", "NVML Shared Library Not Found"),
        ({"error": 9}, "cuda:0", "modprobe nvidia"),
        ({"error": 18}, "cuda:0", "restart the machine"),
        (MACHINES["two cards"], "cuda:7", "NVIDIA GeForce GTX 1650 (--device cuda:1)"),
    ],
)
def test_machine_without_the_card_is_told(tmp_path, machine, device, said):
    """Nothing could be tried: neither good nor bad."""
    code, words = ended(start(tmp_path, "--device", device, **pretend(machine, tmp_path)), tmp_path)

    assert code == 2
    assert f"No card {device}. " in words
    assert said in words
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("torch", "said"),
    [
        ("AssertionError: Torch not compiled with CUDA enabled", "speechhub engines install qwen-asr"),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            "Upgrade the driver, or install a build that runs on it",
        ),
        (
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            "This build of PyTorch has no code for this GPU",
        ),
        ("ImportError: libsomething.so", "ImportError: libsomething.so"),
    ],
)
def test_pytorch_that_cannot_compute_on_the_card_is_told_before_anything_is_written(tmp_path, torch, said):
    python = engine(tmp_path, ones=f"echo '{torch}' >&2; exit 1", write="touch written")
    driver = pretend({"cards": [CARD]}, tmp_path)

    code, words = ended(start(tmp_path, "--python", f"qwen-asr={python}", **driver), tmp_path)

    assert code == 2
    assert words.startswith("PyTorch of qwen-asr cannot compute on cuda:0: ")
    assert said in words
    assert words.count("\n") == 1


@pytest.mark.parametrize("python", [sys.executable, "/nowhere/python"])
def test_python_without_the_engine_is_told(tmp_path, python):
    """As under a Python for which there is no PyTorch."""
    code, words = ended(
        start(tmp_path, "--device", "cpu", "--tiny", "--python", f"qwen-asr={python}"), tmp_path
    )

    assert code == 2
    assert words.startswith(f"{python} has no PyTorch for qwen-asr: 'speechhub engines install qwen-asr'")


def test_program_that_has_no_python_says_so(tmp_path):
    code, words = ended(start(tmp_path, PYTHON="/nowhere/python"), tmp_path)

    assert code == 2
    assert words.startswith("check_gpu: /nowhere/python is no Python 3.11 or newer")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_program_that_is_stopped_leaves_nothing_behind(tmp_path, number):
    """Ctrl-C, a request to end, and a terminal that is gone: the status is not 0, and no process goes on."""
    waiting = tmp_path / "waiting"
    os.mkfifo(waiting)
    python = engine(tmp_path, write=f"touch \"$TMPDIR/half\"; echo > '{waiting}'; sleep 1000 & wait")
    process = start(tmp_path, "--device", "cpu", "--tiny", "--python", f"qwen-asr={python}")
    waiting.read_text()

    process.send_signal(number)
    code, words = ended(process, tmp_path)

    assert code == 130
    assert "Stopped. With --resume" in words
    assert "Traceback" not in words


def test_ctrl_c_while_a_program_is_being_started_ends_it(tmp_path, monkeypatch):
    """It runs before its id is known; the interrupt waits for that."""
    python = engine(tmp_path, ones="sleep 1000 & wait")
    started = []

    def interrupted(*words, **how):
        started.append(popen(*words, **how))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", interrupted)

    with pytest.raises(KeyboardInterrupt):
        try_card(kinds()["qwen-asr"], python, "cuda:0")

    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("free_bytes", "advice"), [(10_000_000, "0.0 GB are free in"), (10**12, "cannot be written: OSError: no")]
)
def test_full_disk_is_told(tmp_path, monkeypatch, free_bytes, advice):
    """PyTorch and safetensors have words of their own for it; what is free tells."""
    python = engine(tmp_path, write="echo 'OSError: no' >&2; exit 1")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))

    with pytest.raises(CannotStartError, match=advice) as caught:
        write(
            kinds()["qwen-asr"],
            "qwen3-asr-0.6b",
            python=python,
            folder=tmp_path / "model",
            device="cpu",
            size="tiny",
            limit_s=PATIENCE_S,
        )

    assert ("--checkpoints" in str(caught.value)) is (free_bytes < 10**9)


def test_checkpoint_that_takes_too_long_is_given_up(tmp_path):
    """With everything that was started for it."""
    python = engine(tmp_path, write="sleep 1000 & wait")

    with pytest.raises(CannotStartError, match="not done after 0 s"):
        write(
            kinds()["qwen-asr"],
            "qwen3-asr-0.6b",
            python=python,
            folder=tmp_path / "model",
            device="cpu",
            size="tiny",
            limit_s=0,
        )


def test_report_that_cannot_be_written_is_told_before_minutes_have_passed(tmp_path, capsys):
    with pytest.raises(SystemExit):
        options(["--report", str(tmp_path / "nowhere" / "r.json")])

    assert "the report cannot be written into" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--device", "cuda:x"),
        ("--models", "whisper"),
        ("--engines", "piper"),
        ("--python", "qwen-asr"),
        ("--python", "piper=/usr/bin/python3"),
        ("--calls", "1"),
        ("--rounds", "0"),
    ],
)
def test_wrong_options_are_told(words, capsys):
    with pytest.raises(SystemExit) as caught:
        options(words)

    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_models_choose_their_engines():
    found = options(["--models", "indextts-2", "--python", "indextts=some/python"])

    assert (found.engines, found.models) == (("indextts",), ("indextts-2",))
    assert found.python == {"indextts": Path.cwd() / "some" / "python"}


def test_card_that_is_checked_is_the_one_that_models_are_placed_on(tmp_path):
    """Each model notes what it learns of the card in a folder of its own."""
    how = {"python": Path("p"), "folder": tmp_path, "size": "tiny", "device": "cuda:1", "pretended": False}
    subjects = [subject(kind, model, **how) for kind in kinds().values() for model in kind.models]
    plan = Plan(size="tiny", rounds=1, calls=2, pretended=False, cold_cache=False)

    bench = Bench(PretendedCard(tmp_path / "card"), subjects, plan, tmp_path)

    assert bench.device.name == "cuda:1"
    assert {it.placement.device for it in subjects} == {bench.device}
    assert len({bench._work_dir(it.target) for it in subjects}) == len(subjects)


def test_pair_is_skipped_where_an_engine_has_no_pytorch(tmp_path, monkeypatch, capsys):
    """The closing count of scripts/test has it as skipped, and the reason stands above."""
    python = tmp_path / ".nox" / "plugin-dist-speechhub-qwen-asr" / "bin" / "python"
    python.parent.mkdir(parents=True)
    monkeypatch.setattr(check_gpu_pair, "ROOT", tmp_path)

    assert check_gpu_pair.main() == _steps.CANNOT_TRY
    python.symlink_to(sys.executable)
    assert check_gpu_pair.main() == _steps.CANNOT_TRY

    assert capsys.readouterr().out.count("skipped: there is no PyTorch for qwen-asr here (.nox/") == 2


def test_result_of_the_pair_is_that_of_the_program(tmp_path, monkeypatch):
    """Both engines run in the environments of their tests; what they leave is deleted."""
    for name in check_gpu_pair.ENGINES:
        folder = tmp_path / ".nox" / f"plugin-dist-speechhub-{name}" / "bin"
        folder.mkdir(parents=True)
        engine(folder).rename(folder / "python")
    program = tmp_path / "scripts" / "check_gpu"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/words'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(check_gpu_pair, "ROOT", tmp_path)

    assert check_gpu_pair.main() == 1

    words = (tmp_path / "words").read_text().split()
    assert [word.partition("=")[0] for word in words if "/bin/python" in word] == ["qwen-asr", "indextts"]
    assert not Path(words[-1]).parent.exists()

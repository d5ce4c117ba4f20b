"""Asking environments what they can compute on: once, in a process of their own, within a time."""

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from speechhub.discovery import InstalledEngine
from speechhub.engine import Compute, EngineSpec, Slot, SttCapabilities
from speechhub.environments.compute import computes
from tests.e2e.server import alive, until
from tests.fakes.gpus import FakeGpus

GPUS = FakeGpus().devices()

PLUGIN = """
import os, sys, time
from speechhub.engine import Compute

def note():
    with open({log!r}, "a") as file:
        file.write(os.environ.get("CUDA_DEVICE_ORDER", "?") + os.environ.get("HF_TOKEN", "") + "\\n")

def good():
    print("a library says hello")
    note()
    return Compute(kinds=("cuda", "cpu"), architectures=("sm_86",))

def bad():
    note()
    return Compute(kinds=("cpu",), problem="no libcublas.", fix="pip install it")

def crashes():
    note()
    os.kill(os.getpid(), 11)

def fails():
    note()
    raise RuntimeError("broken driver")

def hangs():
    note()
    time.sleep(60)

def passing():
    note()
    return Compute(kinds=("cpu",), problem="CUDA finds no GPU.", fix="wait", may_pass=True)

def leaves_a_child():
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open({log!r}, "a") as file:
        file.write(str(child.pid) + "\\n")
    return good()

def hangs_at_the_end():
    import atexit, threading
    atexit.register(time.sleep, 60)
    threading.Thread(target=time.sleep, args=(60,)).start()
    return good()

def wrong():
    return Compute(kinds="cuda")

def wordy():
    for _ in range(20_000):
        print("x" * 100, file=sys.stderr)
    return good()

def odd():
    note()
    return 5
"""


@pytest.fixture
def asked(tmp_path):
    """Return how often anybody was asked, and what they saw."""
    return lambda: (tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []


@pytest.fixture
def engine(tmp_path):
    """Return a maker of engines whose environment has the plugin above."""
    packages = tmp_path / "packages"
    (packages / "__pycache__").mkdir(parents=True)  # else the first import would change the environment
    (packages / "plugin.py").write_text(PLUGIN.format(log=str(tmp_path / "log")))
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1\n"  # the folder it would come into is part of the key
        f'PYTHONPATH={shlex.quote(str(packages))} exec {shlex.quote(sys.executable)} "$@"\n'
    )
    python.chmod(0o755)

    def made(function, *, devices=("cuda", "cpu"), environment="e", interpreter=python, version=1):
        spec = EngineSpec(
            name=function or "silent",
            slot=Slot.STT,
            factory="nowhere:Engine",
            capabilities=SttCapabilities(),
            devices=devices,
            compute=f"plugin:{function}" if function else "",
        )
        return InstalledEngine(
            spec=spec,
            distribution=f"speechhub-e {version}",
            python=Path(interpreter),
            environment=environment,
            search_path=(packages,),
        )

    return made


@pytest.fixture
def ask(tmp_path):
    def asking(*engines, gpus=GPUS, environ=None, timeout_s=30.0):
        found = {"HF_TOKEN": "hf_secret"} | (environ or {})
        return computes(engines, gpus, tmp_path / "home" / "c.json", environ=found, timeout_s=timeout_s)

    return asking


def test_answers_are_the_engines_own(engine, ask, asked):
    """Each in its own process, which numbers GPUs as we do and sees none of our secrets."""
    assert ask(engine("good"), engine("bad"), engine("")) == {
        "good": Compute(kinds=("cuda", "cpu"), architectures=("sm_86",)),
        "bad": Compute(kinds=("cpu",), problem="no libcublas.", fix="pip install it"),
    }
    assert asked() == ["PCI_BUS_ID", "PCI_BUS_ID"]


def test_a_second_start_asks_nothing(engine, ask, asked):
    first = ask(engine("good"), engine("bad"))

    assert ask(engine("good"), engine("bad")) == first
    assert len(asked()) == 2


def test_without_a_gpu_nothing_is_asked(engine, ask, asked, tmp_path):
    assert ask(engine("good"), gpus=()) == {}
    assert ask(engine("good", devices=("cpu",))) == {}
    assert asked() == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("change", ["driver", "card", "visible", "libraries", "packages", "plugin", "system"])
def test_what_an_answer_holds_for(change, engine, ask, asked, tmp_path, monkeypatch):
    ask(engine("good"))
    how, version = {}, 1
    if change == "driver":
        other = FakeGpus()
        monkeypatch.setattr("tests.fakes.gpus.DRIVER", "580.1")
        how["gpus"] = other.devices()
    elif change == "card":
        how["gpus"] = FakeGpus(count=2).devices()
    elif change == "visible":
        how["environ"] = {"CUDA_VISIBLE_DEVICES": "1"}
    elif change == "libraries":
        how["environ"] = {"LD_LIBRARY_PATH": "/opt/cuda"}
    elif change == "packages":
        os.utime(tmp_path / "packages", (1, 1))
    elif change == "plugin":
        version = 2
    else:
        monkeypatch.setattr("speechhub.environments.compute._LINKER_CACHE", tmp_path / "log")

    ask(engine("good", version=version), **how)

    assert len(asked()) == 2


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("crashes", "failed: signal 11"),
        ("fails", "RuntimeError: broken driver"),
        ("odd", "asdict"),
        ("wrong", "Expected `array`"),
        ("missing", "no attribute 'missing'"),
    ],
)
def test_no_answer_means_that_it_cannot(function, problem, engine, ask):
    """And it is asked again the next time: it may have been bad luck."""
    answer = ask(engine(function))[function]

    assert answer.kinds == ("cpu",)
    assert problem in answer.problem
    assert answer.fix == "speechhub engines install e"


def test_one_that_did_not_answer_is_asked_again(engine, ask, asked):
    ask(engine("crashes"), engine("good"))
    ask(engine("crashes"), engine("good"))

    assert len(asked()) == 3


def test_one_that_hangs_is_not_waited_for(engine, ask):
    answer = ask(engine("hangs"), timeout_s=0.2)["hangs"]

    assert "within 0.2 s" in answer.problem


def test_an_engine_beside_the_hub_is_mended_by_pip(engine, ask):
    answer = ask(engine("fails", environment=""))["fails"]

    assert answer.fix == f"{sys.executable} -m pip install --force-reinstall speechhub-e"


def test_a_python_that_is_gone_cannot_be_asked(engine, ask):
    assert "does not start" in ask(engine("good", interpreter="/nowhere/python"))["good"].problem


def test_a_file_that_is_damaged_is_made_anew(engine, ask, asked, tmp_path):
    ask(engine("good"))
    (tmp_path / "home" / "c.json").write_text("{nonsense")

    assert ask(engine("good"))["good"].kinds == ("cuda", "cpu")
    assert ask(engine("good"))["good"].kinds == ("cuda", "cpu")
    assert len(asked()) == 2


def test_a_home_that_cannot_be_written_costs_a_question(engine, ask, asked, tmp_path):
    (tmp_path / "home").write_text("in the way")

    assert ask(engine("good"))["good"].kinds == ("cuda", "cpu")
    assert len(asked()) == 1


def test_what_may_pass_is_asked_again(engine, ask, asked):
    """The GPU was another program's, or the machine had slept: that must not keep an engine on the CPU."""
    first = ask(engine("passing"))["passing"]
    ask(engine("passing"))

    assert (first.kinds, first.problem) == (("cpu",), "CUDA finds no GPU.")
    assert len(asked()) == 2


@pytest.mark.parametrize("function", ["leaves_a_child", "hangs_at_the_end", "wordy"])
def test_only_the_answer_is_waited_for(function, engine, ask):
    """Neither what it started, nor its end, nor all that it prints."""
    began = time.monotonic()

    assert ask(engine(function), timeout_s=50.0)[function].kinds == ("cuda", "cpu")
    assert time.monotonic() - began < 40


def test_what_it_started_is_ended(engine, ask, asked):
    ask(engine("leaves_a_child"))

    child = int(asked()[0])
    until(lambda: not alive(child), "it has ended")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it still runs, as it should
def test_one_that_cannot_even_be_killed_is_left_to_itself(engine, ask, monkeypatch):
    """As where a driver hangs: the process is in the kernel's hands."""
    monkeypatch.setattr("speechhub.environments.compute._KILLED_S", 0.1)
    killed = []
    monkeypatch.setattr("os.killpg", lambda pid, number: killed.append(pid))

    answer = ask(engine("hangs"), timeout_s=0.2)["hangs"]
    monkeypatch.undo()
    os.killpg(killed[0], signal.SIGKILL)

    assert "within 0.2 s" in answer.problem


def test_a_home_that_moved_is_asked_again(engine, ask, asked, tmp_path):
    """The command that helps names the environment's Python."""
    ask(engine("bad"))
    (moved := tmp_path / "moved").symlink_to(tmp_path / "python")

    ask(engine("bad", interpreter=moved))

    assert len(asked()) == 2


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(engine, ask, tmp_path):
    (tmp_path / "home" / "c.json").mkdir(parents=True)

    assert ask(engine("good"))["good"].kinds == ("cuda", "cpu")
    assert [it.name for it in (tmp_path / "home").iterdir()] == ["c.json"]

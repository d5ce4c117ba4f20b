"""Which GPUs there are, and what is said where there are none."""

import sys

import pytest

from speechhub.gpu.find import find_gpus
from speechhub.gpu.monitor import NoGpus
from tests.fakes.gpus import FakeGpus
from tests.fakes.pretended import MACHINES, pretend
from tests.unit.gpu.test_machines import binding  # noqa: F401


@pytest.fixture
def on(binding, tmp_path, monkeypatch):  # noqa: F811
    def machine(found):
        for name, value in pretend(found, tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(sys.modules, "pynvml", binding)

    return machine


def test_what_the_driver_shows_is_there(on):
    on(MACHINES["two cards"])

    monitor, gpus = find_gpus()

    assert [it.cuda_name for it in gpus] == ["cuda:0", "cuda:1"]
    assert monitor.sample(1) is not None
    monitor.close()


def test_hidden_gpus_are_none(on, monkeypatch):
    """Whatever else hints at them."""
    on(MACHINES["host pids"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")

    monitor, gpus = find_gpus()

    assert gpus == ()
    assert isinstance(monitor, NoGpus)
    assert "CUDA_VISIBLE_DEVICES hides" in monitor.problem
    assert monitor.hint is None


@pytest.mark.parametrize(("device", "broken"), [("dev/nvidiactl", True), (None, False)])
def test_a_folder_of_the_host_is_no_gpu(on, tmp_path, device, broken):
    """As in a container without a GPU, on a host with a driver; nor is a device that does not answer."""
    on({"error": 999, "cards": []})
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    if device:
        (tmp_path / "dev").mkdir()
        (tmp_path / device).touch()

    monitor, gpus = find_gpus(tmp_path)

    assert gpus == ()
    assert monitor.hint.broken is broken
    assert monitor.problem.startswith(monitor.hint.text)
    assert "Unknown Error" in monitor.problem


def test_a_machine_without_a_gpu_says_just_that(on, tmp_path):
    on({"error": 12, "cards": []})

    monitor, gpus = find_gpus(tmp_path)

    assert (gpus, monitor.problem, monitor.hint) == ((), "There is no GPU here.", None)


@pytest.mark.parametrize(("code", "broken"), [(9, False), (18, True), (999, True)])
def test_a_driver_that_does_not_answer_is_told_although_nothing_hints_at_a_gpu(on, tmp_path, code, broken):
    """Without the kernel's module, there may be none."""
    on({"error": code, "cards": []})

    monitor, gpus = find_gpus(tmp_path)

    assert gpus == ()
    assert monitor.problem.startswith("The GPU driver does not answer: ")
    assert monitor.hint.broken is broken


def test_a_driver_without_gpus_is_let_go(monkeypatch, tmp_path):
    driver = FakeGpus(count=0)
    monkeypatch.setattr("speechhub.gpu.find.nvml_monitor", lambda: driver)

    find_gpus(tmp_path)

    assert driver.closed

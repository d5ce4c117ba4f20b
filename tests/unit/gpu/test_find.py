"""Which GPUs there are, and what is said where there are none."""

import sys

import pytest

from speechhub.gpu.find import find_gpus
from speechhub.gpu.monitor import NoGpus
from speechhub.placement import devices_of
from speechhub.settings import Settings
from tests.fakes.gpus import FakeGpus
from tests.fakes.pretended import CARD, GB, MACHINES, SLICES, pretend
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


FOUR = [
    CARD | {"uuid": f"GPU-{n}1111111-aaaa-4000-8000-000000000000", "total": (4 + n) * GB} for n in range(4)
]
"""A node with four cards, which differ in their memory."""
CUT = {"cards": [*FOUR[:3], FOUR[3] | {"capability": [8, 0], "slices": SLICES}]}
"""The same, with the last card divided into slices (MIG)."""


@pytest.mark.parametrize(
    ("node", "variable", "numbers", "totals"),
    [
        ({"cards": FOUR}, "2", [2], [6 * GB]),
        ({"cards": FOUR}, "2,0", [2, 0], [6 * GB, 4 * GB]),
        ({"cards": FOUR}, FOUR[3]["uuid"], [3], [7 * GB]),
        ({"cards": FOUR}, f"{FOUR[3]['uuid']},1", [3, 1], [7 * GB, 5 * GB]),
        (CUT, SLICES[1]["uuid"], [3], [SLICES[1]["total"]]),
        (CUT, "3", [3], [SLICES[0]["total"]]),
        ({"cards": FOUR}, "", [], []),
        ({"cards": FOUR}, None, [0, 1, 2, 3], [4 * GB, 5 * GB, 6 * GB, 7 * GB]),
    ],
)
def test_of_four_cards_those_of_the_variable_are_cuda_0_and_up(
    on, monkeypatch, node, variable, numbers, totals
):
    """The variable of now counts: Ray sets it in a process that runs already, once it has given it a card.

    What is planned with, and what proofs and metrics look at, is the same card.
    """
    on(node)
    if variable is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)

    monitor, gpus = find_gpus()

    devices = devices_of(Settings(), gpus=gpus, host_memory_bytes=400)
    assert [it.name for it in devices] == [*(f"cuda:{n}" for n in range(len(numbers))), "cpu"]
    assert [it.driver_index for it in gpus] == numbers
    assert [it.total_bytes for it in gpus] == totals
    assert [monitor.sample(n).total_bytes for n in range(len(numbers))] == totals
    assert monitor.sample(len(numbers)) is None
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

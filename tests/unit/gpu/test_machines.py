"""gpu.nvml over pretended drivers: which devices there are, and which of them a look is at."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from speechhub.gpu.nvml import NvmlMonitor, nvml_monitor
from speechhub.gpu.traces import trace
from tests.e2e.server import until
from tests.fakes.pretended import CARD, FOLDER, MACHINES, SECOND, SLICES, pretend


@pytest.fixture(scope="module")
def binding():
    spec = importlib.util.spec_from_file_location("pretended_pynvml", FOLDER / "pynvml.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pretended(machine):
    """Have the driver of the test say something else from now on."""
    state = Path(os.environ["PRETENDED_DRIVER"])
    (new := state.with_suffix(".new")).write_text(json.dumps(machine))
    new.replace(state)


@pytest.fixture
def on(binding, tmp_path, monkeypatch):
    def monitor(machine, wish=None):
        for name, value in pretend(machine, tmp_path).items():
            monkeypatch.setenv(name, value)
        return NvmlMonitor(lambda: binding, wish=wish)

    return monitor


@pytest.mark.parametrize("machine", ["host pids", "no list", "WSL2"])
def test_one_card(on, machine):
    [device] = on(MACHINES[machine]).devices()

    assert (device.cuda_name, device.uuid, device.compute_capability) == ("cuda:0", CARD["uuid"], "7.5")
    assert (device.driver_index, device.is_slice, device.total_bytes) == (0, False, CARD["total"])


@pytest.mark.parametrize(
    ("machine", "processes"),
    [("host pids", {900001: 50_000_000}), ("no list", None), ("WSL2", {0: None})],
)
def test_processes_as_the_driver_tells_them(on, machine, processes):
    assert on(MACHINES[machine]).sample(0).processes == processes


def test_a_look_is_at_the_card_that_cuda_means(on):
    """With the second card alone visible, cuda:0 is that one, for the plan, the proof and the sampler."""
    monitor = on(MACHINES["two cards"], "1")

    [device] = monitor.devices()

    assert (device.cuda_name, device.driver_index, device.uuid) == ("cuda:0", 1, SECOND["uuid"])
    assert monitor.sample(0).total_bytes == SECOND["total"]
    assert monitor.sample(1) is None
    assert "no cuda:1" in monitor.problem


def test_two_cards_in_the_order_of_the_variable(on):
    monitor = on(MACHINES["two cards"], f"{SECOND['uuid'][:9]},0")

    assert [(it.cuda_name, it.driver_index) for it in monitor.devices()] == [("cuda:0", 1), ("cuda:1", 0)]
    assert [monitor.sample(n).total_bytes for n in (0, 1)] == [SECOND["total"], CARD["total"]]


def test_no_card_is_visible(on):
    monitor = on(MACHINES["two cards"], "")

    assert monitor.devices() == ()
    assert monitor.problem is None


def test_a_slice_is_a_device_of_its_own(on):
    """The memory of the whole card is forbidden in a container; that is no failure."""
    monitor = on(MACHINES["MIG"], "MIG-2")

    with capture_logs() as logs:
        [device] = monitor.devices()
        sample = monitor.sample(0)

    assert (device.uuid, device.is_slice, device.compute_capability) == (SLICES[1]["uuid"], True, "8.0")
    assert (device.total_bytes, sample.total_bytes) == (SLICES[1]["total"], SLICES[1]["total"])
    assert (sample.utilisation, sample.processes) == (None, {})
    assert logs == []


def test_a_card_whose_memory_is_forbidden_proves_nothing_and_breaks_nothing(on, tmp_path):
    """The library is started once, however often it is asked."""
    monitor = on({"cards": [CARD | {"memory": "forbidden"}]})

    assert monitor.devices()[0].total_bytes == 0
    assert [monitor.sample(0), monitor.sample(0)] == [None, None]
    assert monitor.problem is None
    assert (tmp_path / "driver.log").read_text().split() == ["nvmlInit"]


def test_a_lost_card_moves_no_number(on, tmp_path):
    """Of two cards the first is lost, and the driver starts anew: cuda:1 stays what it was."""
    monitor = on(MACHINES["two cards"])
    monitor.devices()
    (tmp_path / "driver.json").write_text(json.dumps({"cards": [SECOND]}))
    assert monitor.sample(1) is None  # its handle is of before

    assert monitor.sample(1).total_bytes == SECOND["total"]
    assert monitor.sample(0) is None
    assert CARD["uuid"] in monitor.problem


@pytest.mark.parametrize(
    ("error", "advice"),
    [(999, "start the container again"), (18, "restart the machine"), (9, "modprobe nvidia")],
)
def test_what_to_do_about_a_driver_that_does_not_start(on, error, advice):
    monitor = on({"error": error, "cards": []})

    assert monitor.devices() == ()
    assert advice in monitor.problem


def test_the_variable_of_this_process_counts(binding, tmp_path, monkeypatch):
    for name, value in pretend(MACHINES["two cards"], tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setitem(sys.modules, "pynvml", binding)

    assert [it.uuid for it in nvml_monitor().devices()] == [SECOND["uuid"]]


def test_without_the_driver_s_library_the_binding_is_not_imported(monkeypatch):
    """It takes 100 ms, which a machine without a GPU does not pay."""
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr("ctypes.CDLL", lambda name: (_ for _ in ()).throw(OSError(f"{name} is not there")))
    monitor = nvml_monitor()

    assert monitor.devices() == ()
    assert "libnvidia-ml.so.1 is not there" in monitor.problem
    assert "pynvml" not in sys.modules


@pytest.mark.parametrize(
    ("paths", "said", "broken"),
    [
        (["dev/dxg"], "WSL2", True),
        (["dev/nvidiactl", "proc/driver/nvidia/gpus/0000:01:00.0"], "nvidia-smi", True),
        (["proc/driver/nvidia/gpus/0000:01:00.0"], "--gpus all", False),
    ],
)
def test_what_hints_at_a_gpu_is_for_messages(tmp_path, paths, said, broken):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    found = trace(tmp_path)

    assert said in found.text
    assert found.broken is broken


def test_nothing_hints_at_a_gpu(tmp_path):
    (tmp_path / "proc/driver/nvidia/gpus").mkdir(parents=True)

    assert trace(tmp_path) is None
    assert trace(Path("/nothing/there")) is None


# ── Drivers and cards that are not well ──────────────────────────────────────


def test_a_name_that_is_no_text_hides_no_card(on):
    """The real binding decodes names, and fails at some."""
    [device] = on({"cards": [CARD | {"name": "NVIDIA \udcff"}]}).devices()

    assert device.name == "NVIDIA \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("code", [2, 7, 8, 20, 21, 25, 27, 999])
@pytest.mark.parametrize(
    "question",
    [
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetCudaComputeCapability",
        "nvmlSystemGetDriverVersion",
        "nvmlSystemGetCudaDriverVersion_v2",
        "nvmlDeviceGetComputeRunningProcesses",
    ],
)
def test_one_thing_that_is_not_told_hides_no_card(on, question, code):
    monitor = on({"cards": [CARD], "fails": {question: code}})

    assert len(monitor.devices()) == 1
    assert monitor.sample(0).used_bytes == CARD["used"]
    assert monitor.problem is None


def test_a_lost_card_takes_no_other_one_along(on):
    """Where it was lost before the start, and where it is later; what is told names it."""
    lost = {"fails": {"nvmlDeviceGetHandleByIndex": 15, "nvmlDeviceGetMemoryInfo": 15}}
    monitor = on({"cards": [CARD | lost, SECOND]})

    [device] = monitor.devices()
    seen = monitor.sample(0), monitor.problem
    pretended({"cards": [CARD, SECOND | lost]})
    gone = [monitor.sample(0), monitor.sample(0), monitor.problem]
    pretended({"cards": [CARD, SECOND]})
    back = monitor.sample(0), monitor.sample(0)

    assert (device.uuid, device.driver_index) == (SECOND["uuid"], 1)
    assert seen[0].total_bytes == SECOND["total"]
    assert "number 0 of nvidia-smi" in seen[1]
    assert gone[:2] == [None, None]
    assert "for cuda:0" in gone[2]
    assert back[1].total_bytes == SECOND["total"]
    assert monitor.problem is None


def test_with_two_cards_one_of_which_is_lost_later_nothing_is_told_again_and_again(on):
    monitor = on(MACHINES["two cards"])
    monitor.devices()
    lost = {"fails": {"nvmlDeviceGetHandleByIndex": 15, "nvmlDeviceGetMemoryInfo": 15}}

    pretended({"cards": [CARD | lost, SECOND]})
    with capture_logs() as logs:
        seen = [(monitor.sample(0), monitor.sample(1).total_bytes) for _ in range(5)]

    assert seen == [(None, SECOND["total"])] * 5
    assert [it["event"] for it in logs].count("gpu driver answers again") == 0
    assert len(logs) <= 3


def test_a_card_that_a_container_was_not_given_is_no_problem(on):
    """The driver counts it, and does not hand it out."""
    monitor = on({"cards": [CARD | {"fails": {"nvmlDeviceGetHandleByIndex": 4}}, SECOND]})

    assert [it.uuid for it in monitor.devices()] == [SECOND["uuid"]]
    assert monitor.problem is None


def test_where_no_card_can_be_had_the_reason_is_told(on):
    monitor = on({"cards": [CARD | {"fails": {"nvmlDeviceGetHandleByIndex": 4}}]})

    assert monitor.devices() == ()
    assert "has no access to the GPU's device" in monitor.problem


def test_a_device_that_the_system_took_back_is_told_and_comes_back(on):
    """Every question fails with "Unknown Error" then, and handles of before stay worthless."""
    monitor = on(MACHINES["host pids"])
    monitor.devices()

    pretended(MACHINES["host pids"] | {"fails": {"nvmlDeviceGetMemoryInfo": 999}})
    lost, problem = monitor.sample(0), monitor.problem
    pretended(MACHINES["host pids"])

    assert lost is None
    assert "start the container again" in problem
    assert monitor.sample(0) is not None
    assert monitor.problem is None


@pytest.mark.parametrize("hangs", ["nvmlInit", "nvmlDeviceGetName"])
def test_a_driver_that_hangs_is_waited_for_only_so_long(on, monkeypatch, hangs):
    """The start of the server asks it; so do `doctor` and the setup."""
    monkeypatch.setattr("speechhub.gpu.nvml.START_S", 0.2)
    monitor = on(MACHINES["host pids"] | {"hangs": [hangs]})

    found, problem = monitor.devices(), monitor.problem
    pretended(MACHINES["host pids"])
    until(monitor.devices, "it answers again")

    assert found == ()
    assert "it hangs" in problem
    assert monitor.problem is None
    monitor.close()


def test_a_driver_that_hangs_later_holds_nobody_up(on, monkeypatch):
    """Neither the other askers, who get no answer at once, nor the end."""
    monkeypatch.setattr("speechhub.gpu.nvml.ANSWER_S", 0.2)
    monitor = on(MACHINES["host pids"])
    monitor.devices()

    pretended(MACHINES["host pids"] | {"hangs": ["nvmlDeviceGetMemoryInfo"]})
    samples = [monitor.sample(0) for _ in range(100)]
    problem = monitor.problem
    monitor.close()
    pretended(MACHINES["host pids"])

    assert samples == [None] * 100
    assert "it hangs" in problem

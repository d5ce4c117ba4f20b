"""gpu.nvml: the driver's answers become values, and its failures become silence."""

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from speechhub.gpu.nvml import RETRY_S, NvmlMonitor

NOT_SUPPORTED, GPU_IS_LOST = 3, 15


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(f"code {value}")
        self.value = value


class Driver:
    """Stands for the module pynvml; `untold` names what this card does not tell."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self):
        self.untold, self.code = set(), NOT_SUPPORTED
        self.lost = False
        self.absent = False
        self.started = 0
        self.stopped = 0
        self.compute = [SimpleNamespace(pid=7, usedGpuMemory=100)]
        self.graphics = [
            SimpleNamespace(pid=7, usedGpuMemory=100),
            SimpleNamespace(pid=8, usedGpuMemory=None),
        ]

    def _say(self, name, value):
        if self.lost:
            raise NVMLError(GPU_IS_LOST)
        if name in self.untold:
            raise NVMLError(self.code)
        return value

    def nvmlInit(self):  # noqa: N802
        if self.absent:
            raise NVMLError(12)
        self.started += 1

    def nvmlShutdown(self):  # noqa: N802
        self.stopped += 1

    def __getattr__(self, name):
        answers = {
            "nvmlSystemGetDriverVersion": b"550.54.15",
            "nvmlSystemGetCudaDriverVersion_v2": 12040,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": "card",
            "nvmlDeviceGetCudaComputeCapability": (8, 6),
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlDeviceGetName": "NVIDIA Paper 4000",
            "nvmlDeviceGetMigMode": [0, 0],
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=300, free=700, total=1000),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=25),
            "nvmlDeviceGetTemperature": 55,
            "nvmlDeviceGetPowerUsage": 31_500,
            "nvmlDeviceGetComputeRunningProcesses": self.compute,
            "nvmlDeviceGetGraphicsRunningProcesses": self.graphics,
        }
        return lambda *_: self._say(name, answers[name])


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def clock():
    return SimpleNamespace(now=0.0)


@pytest.fixture
def monitor(driver, clock):
    return NvmlMonitor(lambda: driver, clock=lambda: clock.now)


@pytest.mark.mission("4.3")
def test_a_device_is_described(monitor):
    """Name, driver, CUDA version and compute capability stand in the words that people use."""
    (device,) = monitor.devices()

    assert (device.name, device.driver, device.cuda) == ("NVIDIA Paper 4000", "550.54.15", "12.4")
    assert (device.compute_capability, device.total_bytes, device.uuid) == ("8.6", 1000, "GPU-1")


@pytest.mark.mission("4.2")
def test_a_sample_has_all_that_the_card_tells(monitor):
    """Units are ours: bytes, shares, degrees, watts; a process in both lists counts once."""
    sample = monitor.sample(0)

    assert (sample.used_bytes, sample.free_bytes, sample.used_share) == (300, 700, 0.3)
    assert (sample.utilisation, sample.temperature_c, sample.power_w) == (0.25, 55, 31.5)
    assert sample.processes == {7: 100, 8: None}


@pytest.mark.parametrize("code", [NOT_SUPPORTED, 4, 6, 13, 999])
def test_what_a_card_does_not_tell_is_none(monitor, driver, code):
    """Laptops tell no power and WSL no processes; the rest of the sample stands."""
    driver.code = code
    driver.untold = {
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetGraphicsRunningProcesses",
    }

    sample = monitor.sample(0)

    assert sample.used_bytes == 300
    assert (sample.utilisation, sample.temperature_c, sample.power_w) == (None, None, None)
    assert sample.processes is None


def test_a_lost_card_is_told_once_and_tried_again(monitor, driver):
    """While a card is lost nothing is known; when it is back, a fresh start of the library finds it."""
    monitor.sample(0)
    driver.lost = True
    with capture_logs() as logs:
        lost = [monitor.sample(0), monitor.sample(0)]
    problem = monitor.problem
    driver.lost = False

    assert lost == [None, None]
    assert "code 15" in problem
    assert [log["event"] for log in logs] == ["gpu driver does not answer"]
    assert monitor.sample(0).used_bytes == 300
    assert monitor.problem is None
    assert driver.started == driver.stopped + 1


def test_without_a_driver_nothing_fails(monitor, driver, clock):
    """A machine without a driver says so, and is not searched for one all the time."""
    driver.absent = True

    assert monitor.devices() == ()
    assert monitor.sample(0) is None
    assert "does not answer" in monitor.problem
    driver.absent = False
    assert monitor.sample(0) is None
    clock.now += RETRY_S
    assert monitor.sample(0) is not None


def test_without_the_library_nothing_fails():
    """The binding may be missing or broken."""

    def broken():
        raise ImportError("No module named 'pynvml'")

    monitor = NvmlMonitor(broken)

    assert monitor.devices() == ()
    assert "pynvml" in monitor.problem


def test_the_real_binding_answers_or_says_why_not():
    """With the binding that is installed, a machine gets either devices or a reason."""
    monitor = NvmlMonitor()

    devices = monitor.devices()
    assert bool(devices) != bool(monitor.problem)
    monitor.close()
    assert monitor.devices() == ()


def test_closing_lets_the_driver_go(monitor, driver):
    """After `close` the driver is left alone."""
    monitor.sample(0)

    monitor.close()

    assert monitor.sample(0) is None
    assert (driver.started, driver.stopped) == (1, 1)

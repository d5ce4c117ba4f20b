"""The monitor over NVML, the driver's own library; nvidia-ml-py is its thin, official binding."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final, TypeVar

import structlog

from speechhub.gpu.values import GpuDevice, GpuSample

log = structlog.get_logger()

T = TypeVar("T")

RETRY_S: Final = 5.0
"""After the driver could not be had, how long it is left alone: looking for a library that is not there costs
a search of the disk."""

_UNTOLD: Final = (3, 4, 6, 999)
"""NVML_ERROR_NOT_SUPPORTED, _NO_PERMISSION, _NOT_FOUND, _UNKNOWN: this card does not tell this one thing.
Source: NVML API reference, nvmlReturn_t."""


class NvmlMonitor:
    """Asks the driver; a lost card or a restarted driver is told once and tried again. See `GpuMonitor`."""

    def __init__(
        self, library: Callable[[], Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make a monitor that has asked nothing yet.

        Args:
            library: Returns the module ``pynvml``; imported at the first question.
            clock: Seconds that never go back.
        """
        self._import = library or _pynvml
        self._clock = clock
        self._lock = Lock()
        self._nvml: Any = None
        self._closed = False
        self._retry_at = 0.0
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Return why there was no answer the last time; None if there was."""
        return self._problem

    def devices(self) -> tuple[GpuDevice, ...]:
        """Return all GPUs; empty if the driver does not answer."""
        return self._ask(self._devices) or ()

    def sample(self, index: int) -> GpuSample | None:
        """Look at one GPU; None if it does not answer."""
        return self._ask(lambda nvml: self._sample(nvml, index))

    def close(self) -> None:
        """Let the driver go."""
        with self._lock:
            self._closed = True
            self._let_go()
            self._problem = "The monitor is closed."

    def _ask(self, question: Callable[[Any], T]) -> T | None:
        with self._lock:
            if self._closed or (self._nvml is None and self._clock() < self._retry_at):
                return None
            try:
                if self._nvml is None:
                    nvml = self._import()
                    nvml.nvmlInit()
                    self._nvml = nvml
                answer = question(self._nvml)
            except Exception as error:  # noqa: BLE001  # NVML's own, or a broken library's; neither may end us
                self._failed(error)
                return None
            if self._problem is not None:
                log.info("gpu driver answers again")
            self._problem = None
            return answer

    def _failed(self, error: Exception) -> None:
        """Remember why, tell it once, and begin anew next time: a handle does not outlive its driver."""
        problem = f"The GPU driver does not answer: {error}."
        if problem != self._problem:
            say = log.info if self._nvml is None and self._problem is None else log.error
            say("gpu driver does not answer", error=str(error))
        self._problem = problem
        if self._nvml is None:
            self._retry_at = self._clock() + RETRY_S
        self._let_go()

    def _let_go(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is None:
            return
        try:
            nvml.nvmlShutdown()
        except nvml.NVMLError as error:
            log.debug("gpu driver could not be let go", error=str(error))

    def _devices(self, nvml: Any) -> tuple[GpuDevice, ...]:
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        cuda = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
        found = []
        for index in range(nvml.nvmlDeviceGetCount()):
            card = nvml.nvmlDeviceGetHandleByIndex(index)
            capability = _told(nvml, nvml.nvmlDeviceGetCudaComputeCapability, card)
            found.append(
                GpuDevice(
                    index=index,
                    uuid=_text(nvml.nvmlDeviceGetUUID(card)),
                    name=_text(nvml.nvmlDeviceGetName(card)),
                    driver=driver,
                    cuda=f"{cuda // 1000}.{cuda % 1000 // 10}",  # 12040 is 12.4
                    compute_capability=".".join(map(str, capability or ())),
                    total_bytes=int(nvml.nvmlDeviceGetMemoryInfo(card).total),
                )
            )
        return tuple(found)

    def _sample(self, nvml: Any, index: int) -> GpuSample:
        card = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(card)
        rates = _told(nvml, nvml.nvmlDeviceGetUtilizationRates, card)
        celsius = _told(nvml, nvml.nvmlDeviceGetTemperature, card, nvml.NVML_TEMPERATURE_GPU)
        milliwatts = _told(nvml, nvml.nvmlDeviceGetPowerUsage, card)
        return GpuSample(
            used_bytes=int(memory.used),
            free_bytes=int(memory.free),
            total_bytes=int(memory.total),
            utilisation=None if rates is None else rates.gpu / 100,
            temperature_c=None if celsius is None else int(celsius),
            power_w=None if milliwatts is None else milliwatts / 1000,
            processes=_processes(nvml, card),
        )


def _processes(nvml: Any, card: Any) -> dict[int, int | None] | None:
    lists = [
        _told(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, card),
        _told(nvml, nvml.nvmlDeviceGetGraphicsRunningProcesses, card),
    ]
    if all(one is None for one in lists):
        return None
    # A process that does both stands in both lists with all that it has.
    found: dict[int, int | None] = {}
    for process in [process for one in lists for process in one or ()]:
        size = process.usedGpuMemory
        found[int(process.pid)] = found.get(int(process.pid)) if size is None else int(size)
    return found


def _told(nvml: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    """Return the answer, or None if this card does not tell that; anything else is a failure."""
    try:
        return question(*arguments)
    except nvml.NVMLError as error:
        if error.value in _UNTOLD:
            return None
        raise


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # older bindings give bytes


def _pynvml() -> Any:
    import pynvml  # noqa: PLC0415  # 20 ms that a machine without a driver's questions never pays

    return pynvml

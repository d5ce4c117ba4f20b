"""The monitor over NVML, the driver's own library; nvidia-ml-py is its thin, official binding."""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, TypeVar

import structlog

from speechhub.gpu.values import GpuDevice, GpuSample
from speechhub.gpu.visible import VARIABLE, Card, visible

log = structlog.get_logger()

T = TypeVar("T")

RETRY_S: Final = 5.0
"""After the driver could not be had, how long it is left alone: looking for a library that is not there costs
a search of the disk."""

_UNTOLD: Final = (3, 4, 6, 13, 999)
"""NVML_ERROR_NOT_SUPPORTED, _NO_PERMISSION, _NOT_FOUND, _FUNCTION_NOT_FOUND, _UNKNOWN: this card, or this
driver, does not tell this one thing. Source: NVML API reference, nvmlReturn_t."""
_ADVICE: Final = {
    9: "The driver's kernel module is not loaded: try 'modprobe nvidia', or install the driver again.",
    18: "The driver was upgraded and the old one still runs: restart the machine.",
    999: "In a container, the system has probably taken the device back, as 'systemctl daemon-reload' does: "
    "start the container again; docs/troubleshooting.md says how to prevent it.",
}
"""What to do about NVML_ERROR_DRIVER_NOT_LOADED, _LIB_RM_VERSION_MISMATCH and _UNKNOWN."""


@dataclass(frozen=True, slots=True)
class _Handle:
    """A device as NVML hands it out; of a slice, `card` is the whole GPU."""

    uuid: str
    card: Any
    own: Any
    driver_index: int


class NvmlMonitor:
    """Asks the driver; a lost card or a restarted driver is told once and tried again. See `GpuMonitor`.

    The library is started once, and anew only after it failed: then handles of before are worth nothing.
    """

    def __init__(
        self,
        library: Callable[[], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wish: str | None = None,
    ) -> None:
        """Make a monitor that has asked nothing yet.

        Args:
            library: Returns the module ``pynvml``; imported at the first question.
            clock: Seconds that never go back.
            wish: ``CUDA_VISIBLE_DEVICES``; None where all GPUs are meant. See `nvml_monitor`.
        """
        self._import = library or _pynvml
        self._clock = clock
        self._wish = wish
        self._handles: dict[str, _Handle] = {}
        """UUID → device; as long as the library is started."""
        self._uuids: tuple[str, ...] = ()
        """Those of ``cuda:0``, ``cuda:1`` …; for good, because numbers must not move when a card is lost."""
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
        advice = _ADVICE.get(getattr(error, "value", 0), "")
        problem = f"The GPU driver does not answer: {error}.{f' {advice}' if advice else ''}"
        if problem != self._problem:
            say = log.info if self._nvml is None and self._problem is None else log.error
            say("gpu driver does not answer", error=str(error))
        self._problem = problem
        if self._nvml is None:
            self._retry_at = self._clock() + RETRY_S
        self._let_go()

    def _let_go(self) -> None:
        nvml, self._nvml = self._nvml, None
        self._handles = {}
        if nvml is None:
            return
        try:
            nvml.nvmlShutdown()
        except nvml.NVMLError as error:
            log.debug("gpu driver could not be let go", error=str(error))

    def _enumerate(self, nvml: Any) -> None:
        """Take hold of all devices, and once number those that CUDA shows."""
        cards: list[Card] = []
        for index in range(nvml.nvmlDeviceGetCount()):
            card = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(_told(nvml, nvml.nvmlDeviceGetUUID, card) or f"GPU-number-{index}")
            mode = _told(nvml, nvml.nvmlDeviceGetMigMode, card)
            slices = tuple(_slices(nvml, card)) if mode and mode[0] else ()
            cards.append(
                Card(uuid=uuid, partitioned=bool(mode and mode[0]), slices=tuple(it for it, _ in slices))
            )
            self._handles[uuid] = _Handle(uuid, card, card, index)
            self._handles |= {name: _Handle(name, card, own, index) for name, own in slices}
        self._uuids = self._uuids or visible(cards, self._wish)

    def _handle(self, nvml: Any, index: int) -> _Handle:
        if not self._handles:
            self._enumerate(nvml)
        if not 0 <= index < len(self._uuids):
            raise LookupError(f"there is no cuda:{index}")
        found = self._handles.get(self._uuids[index])
        if found is None:
            raise LookupError(f"{self._uuids[index]} is gone")
        return found

    def _devices(self, nvml: Any) -> tuple[GpuDevice, ...]:
        self._enumerate(nvml)
        driver = _text(_told(nvml, nvml.nvmlSystemGetDriverVersion) or "")
        cuda = int(_told(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2) or 0)
        found = []
        for index, uuid in enumerate(self._uuids):
            it = self._handles.get(uuid)
            if it is None:
                continue
            capability = _told(nvml, nvml.nvmlDeviceGetCudaComputeCapability, it.card)
            memory = _told(nvml, nvml.nvmlDeviceGetMemoryInfo, it.own)
            found.append(
                GpuDevice(
                    index=index,
                    uuid=uuid,
                    name=_text(
                        _told(nvml, nvml.nvmlDeviceGetName, it.own)
                        or _told(nvml, nvml.nvmlDeviceGetName, it.card)
                        or "NVIDIA GPU"
                    ),
                    driver=driver,
                    cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "",  # 12040 is 12.4
                    compute_capability=".".join(map(str, capability or ())),
                    total_bytes=int(memory.total) if memory else 0,
                    driver_index=it.driver_index,
                    is_slice=it.own is not it.card,
                )
            )
        return tuple(found)

    def _sample(self, nvml: Any, index: int) -> GpuSample | None:
        card = self._handle(nvml, index).own
        memory = _told(nvml, nvml.nvmlDeviceGetMemoryInfo, card)
        if memory is None:
            return None
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


def nvml_monitor() -> NvmlMonitor:
    """Return a monitor of the GPUs that ``CUDA_VISIBLE_DEVICES`` shows, or of all without it."""
    return NvmlMonitor(wish=os.environ.get(VARIABLE))


def _slices(nvml: Any, card: Any) -> Iterator[tuple[str, Any]]:
    """Yield UUID and handle of each slice of a card."""
    for number in range(_told(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, card) or 0):
        own = _told(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, card, number)
        uuid = None if own is None else _told(nvml, nvml.nvmlDeviceGetUUID, own)
        if uuid:
            yield _text(uuid), own


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
    if "pynvml" not in sys.modules:
        ctypes.CDLL("libnvidia-ml.so.1")  # it fails within a millisecond; the binding takes 100 to import
    import pynvml  # noqa: PLC0415

    return pynvml

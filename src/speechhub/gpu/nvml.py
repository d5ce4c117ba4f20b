"""The monitor over NVML, the driver's own library; nvidia-ml-py is its thin, official binding."""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from speechhub.gpu.patience import Patience
from speechhub.gpu.values import GpuDevice, GpuSample
from speechhub.gpu.visible import VARIABLE, Card, visible

log = structlog.get_logger()

T = TypeVar("T")

_DRIVER: Final = "driver"
RETRY_S: Final = 5.0
"""How long to wait before trying again after the driver could not be loaded: a missing library is searched
for all over the disk."""

START_S: Final = 15.0
"""How long the library may take to start and list its cards: seconds per card without persistence mode."""
ANSWER_S: Final = 5.0
"""How long any other answer may take; faulty drivers hang, and so do their callers."""

_DEAD: Final = (1, 9, 15, 16, 18)
"""NVML_ERROR_UNINITIALIZED, _DRIVER_NOT_LOADED, _GPU_IS_LOST, _RESET_REQUIRED, _LIB_RM_VERSION_MISMATCH: not
only one value is unavailable. Source: NVML API reference, nvmlReturn_t, as for all numbers here."""
_UNTOLD: Final = (3, 4, 13)
"""NVML_ERROR_NOT_SUPPORTED, _NO_PERMISSION, _FUNCTION_NOT_FOUND: this card or driver does not report it."""
_NO_PERMISSION: Final = 4
DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND = 9, 12
_HANGS: Final = (
    "The GPU driver does not answer: it hangs. If nvidia-smi hangs, too, restart the machine; "
    "'dmesg | grep Xid' says why."
)
_ADVICE: Final = {
    4: "This system, or this container, has no access to the GPU's device, such as /dev/nvidia0.",
    9: "The driver's kernel module is not loaded: try 'modprobe nvidia', or install the driver again.",
    18: "The driver was upgraded and the old one still runs: restart the machine.",
    999: "In a container, the system has probably taken the device back, as 'systemctl daemon-reload' does: "
    "start the container again; docs/troubleshooting.md says how to prevent it.",
}
"""What to do about NVML_ERROR_NO_PERMISSION, _DRIVER_NOT_LOADED, _LIB_RM_VERSION_MISMATCH and _UNKNOWN."""


@dataclass(frozen=True, slots=True)
class _Handle:
    """A device as NVML returns it; for a slice, `card` is the whole GPU."""

    uuid: str
    card: Any
    own: Any
    driver_index: int


class NvmlMonitor:
    """Queries the driver; a lost card or a restarted driver is reported once and retried. See `GpuMonitor`.

    The library is started once, and again only after it failed: earlier handles are then invalid.
    """

    def __init__(
        self,
        library: Callable[[], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wish: str | None = None,
    ) -> None:
        """Create a monitor that makes no query yet.

        Args:
            library: Returns the module ``pynvml``; imported at the first query.
            clock: Monotonic clock, in seconds.
            wish: ``CUDA_VISIBLE_DEVICES``; None means all GPUs. See `nvml_monitor`.
        """
        self._import = library or _pynvml
        self._clock = clock
        self._wish = wish
        self._handles: dict[str, _Handle] = {}
        """UUID → device; as long as the library is started."""
        self._uuids: tuple[str, ...] = ()
        """UUIDs of ``cuda:0``, ``cuda:1`` …; never changed, because losing a card must not move numbers."""
        self._patience = Patience("gpu-driver")
        """Only its thread uses the library and the state that belongs to it."""
        self._nvml: Any = None
        self._closed = False
        self._retry_at = 0.0
        self._problems: dict[str, str] = {}
        """The driver, or one of its cards → why it does not answer."""
        self.failure: int | None = None
        """NVML's error number of its last failed start; None if it did not fail, or hangs."""

    @property
    def problem(self) -> str | None:
        """Return why the last query got no answer; None if it got one."""
        return next(iter(tuple(self._problems.values())), None)

    def devices(self) -> tuple[GpuDevice, ...]:
        """Return all GPUs; empty if the driver does not answer."""
        return self._ask(self._devices, _DRIVER, START_S) or ()

    def sample(self, index: int) -> GpuSample | None:
        """Sample one GPU; None if it does not answer."""
        return self._ask(lambda nvml: self._sample(nvml, index), f"cuda:{index}", ANSWER_S)

    def close(self) -> None:
        """Release the driver; do not wait for one that hangs."""
        self._closed = True
        self._problems = {_DRIVER: "The monitor is closed."}
        with contextlib.suppress(TimeoutError):
            self._patience.call(self._let_go, ANSWER_S)

    def _ask(self, question: Callable[[Any], T], subject: str, timeout_s: float) -> T | None:
        if self._closed:
            return None
        try:
            return self._patience.call(
                lambda: self._answer(question, subject), timeout_s if self._nvml else START_S
            )
        except TimeoutError:
            self._note(_DRIVER, _HANGS, "it hangs")
            return None

    def _answer(self, question: Callable[[Any], T], subject: str) -> T | None:
        if self._closed or (self._nvml is None and self._clock() < self._retry_at):
            return None
        try:
            if self._nvml is None:
                nvml = self._import()
                nvml.nvmlInit()
                self._nvml = nvml
        except Exception as error:  # noqa: BLE001  # from NVML or a broken library; neither may end us
            self.failure = getattr(error, "value", LIBRARY_NOT_FOUND)
            self._retry_at = self._clock() + RETRY_S
            self._failed(_DRIVER, error)
            return None
        self.failure = None
        self._forget(_DRIVER)
        try:
            answer = question(self._nvml)
        except Exception as error:  # noqa: BLE001  # as above
            self._failed(subject, error)
            self._let_go()  # handles do not outlive their driver: start over next time
            return None
        self._forget(subject)
        return answer

    def _failed(self, subject: str, error: Exception) -> None:
        advice = _ADVICE.get(getattr(error, "value", 0), "")
        of = "" if subject == _DRIVER else f" for {subject}"
        problem = f"The GPU driver does not answer{of}: {error}.{f' {advice}' if advice else ''}"
        self._note(subject, problem, str(error))

    def _note(self, subject: str, problem: str, error: str) -> None:
        """Store why something does not answer, and log it once."""
        if self._closed:
            return
        if self._problems.get(subject) != problem:
            say = log.info if self.failure == LIBRARY_NOT_FOUND and not self._problems else log.error
            say("gpu driver does not answer", subject=subject, error=error)
        self._problems = self._problems | {subject: problem}

    def _forget(self, subject: str) -> None:
        if not self._closed and subject in self._problems:
            self._problems = {other: why for other, why in self._problems.items() if other != subject}
            log.info("gpu driver answers again", subject=subject)

    def _let_go(self) -> None:
        nvml, self._nvml = self._nvml, None
        self._handles = {}
        if nvml is None:
            return
        try:
            nvml.nvmlShutdown()
        except nvml.NVMLError as error:
            log.debug("gpu driver could not be closed", error=str(error))

    def _enumerate(self, nvml: Any) -> None:
        """Get the handles of all devices, and, the first time, number those that CUDA shows."""
        cards: list[Card] = []
        refused: list[tuple[int, Any]] = []
        """Cards that CUDA cannot use either, and why: lost, or not given to this container."""
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                card = nvml.nvmlDeviceGetHandleByIndex(index)
            except nvml.NVMLError as error:
                refused.append((index, error))
                continue
            uuid = _text(_told(nvml, nvml.nvmlDeviceGetUUID, card) or f"GPU-number-{index}")
            mode = _told(nvml, nvml.nvmlDeviceGetMigMode, card)
            slices = tuple(_slices(nvml, card)) if mode and mode[0] else ()
            cards.append(
                Card(uuid=uuid, partitioned=bool(mode and mode[0]), slices=tuple(name for name, _ in slices))
            )
            self._handles[uuid] = _Handle(uuid, card, card, index)
            self._handles |= {name: _Handle(name, card, own, index) for name, own in slices}
        if refused and not cards:
            raise refused[0][1]
        known = {handle.driver_index for handle in self._handles.values()}
        for index, why in refused:
            if why.value != _NO_PERMISSION:
                self._failed(f"number {index} of nvidia-smi", why)
        for index in known:
            self._forget(f"number {index} of nvidia-smi")
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
            handle = self._handles.get(uuid)
            if handle is None:
                continue
            capability = _told(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle.card)
            memory = _told(nvml, nvml.nvmlDeviceGetMemoryInfo, handle.own)
            found.append(
                GpuDevice(
                    index=index,
                    uuid=uuid,
                    name=_text(
                        _told(nvml, nvml.nvmlDeviceGetName, handle.own)
                        or _told(nvml, nvml.nvmlDeviceGetName, handle.card)
                        or "NVIDIA GPU"
                    ),
                    driver=driver,
                    cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "",  # 12040 is 12.4
                    compute_capability=".".join(map(str, capability or ())),
                    total_bytes=int(memory.total) if memory else 0,
                    driver_index=handle.driver_index,
                    is_slice=handle.own is not handle.card,
                )
            )
        return tuple(found)

    def _sample(self, nvml: Any, index: int) -> GpuSample | None:
        card = self._handle(nvml, index).own
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(card)
        except nvml.NVMLError as error:
            if error.value in _UNTOLD:
                return None
            raise  # a card that cannot report its memory is faulty
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
    """Return a monitor of the GPUs that ``CUDA_VISIBLE_DEVICES`` shows, or of all if it is not set."""
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
    # A process that does both is in both lists, each time with all its memory.
    found: dict[int, int | None] = {}
    for process in [process for one in lists for process in one or ()]:
        size = process.usedGpuMemory
        found[int(process.pid)] = found.get(int(process.pid)) if size is None else int(size)
    return found


def _told(nvml: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    """Return the answer, or None if this card does not report it, for any reason; raise if it is lost."""
    try:
        return question(*arguments)
    except nvml.NVMLError as error:
        if error.value in _DEAD:
            raise
        return None
    except UnicodeDecodeError as error:  # the binding decodes names, and some are damaged
        return error.object


def _text(value: str | bytes) -> str:
    # Older bindings return bytes, as do damaged names.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _pynvml() -> Any:
    if "pynvml" not in sys.modules:
        ctypes.CDLL("libnvidia-ml.so.1")  # fails within a millisecond; the binding takes 100 to import
    import pynvml  # noqa: PLC0415

    return pynvml

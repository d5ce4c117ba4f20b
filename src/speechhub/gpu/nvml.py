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
"""After the driver could not be loaded, how long it is left alone: a library that is not there is sought
all over the disk."""

START_S: Final = 15.0
"""How long the library may take to start and show its cards: seconds for each without persistence mode."""
ANSWER_S: Final = 5.0
"""How long any other answer may take; sick drivers hang, and so does what asks them."""

_DEAD: Final = (1, 9, 15, 16, 18)
"""NVML_ERROR_UNINITIALIZED, _DRIVER_NOT_LOADED, _GPU_IS_LOST, _RESET_REQUIRED, _LIB_RM_VERSION_MISMATCH:
it is not one thing that is not told. Source: NVML API reference, nvmlReturn_t, as for all numbers here."""
_UNTOLD: Final = (3, 4, 13)
"""NVML_ERROR_NOT_SUPPORTED, _NO_PERMISSION, _FUNCTION_NOT_FOUND: a card, or a driver, does not tell that."""
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
        self._patience = Patience("gpu-driver")
        """Its thread alone touches the library, and what is remembered of it."""
        self._nvml: Any = None
        self._closed = False
        self._retry_at = 0.0
        self._problems: dict[str, str] = {}
        """What gives no answer → why: the driver, or one of its cards."""
        self.failure: int | None = None
        """NVML's number for what its last start failed with; None if it did not fail, or hangs."""

    @property
    def problem(self) -> str | None:
        """Return why there was no answer the last time; None if there was."""
        return next(iter(tuple(self._problems.values())), None)

    def devices(self) -> tuple[GpuDevice, ...]:
        """Return all GPUs; empty if the driver does not answer."""
        return self._ask(self._devices, _DRIVER, START_S) or ()

    def sample(self, index: int) -> GpuSample | None:
        """Look at one GPU; None if it does not answer."""
        return self._ask(lambda nvml: self._sample(nvml, index), f"cuda:{index}", ANSWER_S)

    def close(self) -> None:
        """Let the driver go; one that hangs is left behind."""
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
        except Exception as error:  # noqa: BLE001  # NVML's own, or a broken library's; neither may end us
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
            self._let_go()  # a handle does not outlive its driver: begin anew next time
            return None
        self._forget(subject)
        return answer

    def _failed(self, subject: str, error: Exception) -> None:
        advice = _ADVICE.get(getattr(error, "value", 0), "")
        of = "" if subject == _DRIVER else f" for {subject}"
        problem = f"The GPU driver does not answer{of}: {error}.{f' {advice}' if advice else ''}"
        self._note(subject, problem, str(error))

    def _note(self, subject: str, problem: str, error: str) -> None:
        """Remember why something gives no answer, and log it once."""
        if self._closed:
            return
        if self._problems.get(subject) != problem:
            say = log.info if self.failure == LIBRARY_NOT_FOUND and not self._problems else log.error
            say("gpu driver does not answer", subject=subject, error=error)
        self._problems = self._problems | {subject: problem}

    def _forget(self, subject: str) -> None:
        if not self._closed and subject in self._problems:
            self._problems = {it: why for it, why in self._problems.items() if it != subject}
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
        """Take hold of all devices, and once number those that CUDA shows."""
        cards: list[Card] = []
        refused: list[tuple[int, Any]] = []
        """Cards that CUDA cannot use either, and why: one that is lost, or that a container was not given."""
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
                Card(uuid=uuid, partitioned=bool(mode and mode[0]), slices=tuple(it for it, _ in slices))
            )
            self._handles[uuid] = _Handle(uuid, card, card, index)
            self._handles |= {name: _Handle(name, card, own, index) for name, own in slices}
        if refused and not cards:
            raise refused[0][1]
        known = {it.driver_index for it in self._handles.values()}
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
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(card)
        except nvml.NVMLError as error:
            if error.value in _UNTOLD:
                return None
            raise  # a card whose memory cannot be asked is not well
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
    """Return the answer, or None if this card does not tell that, for whatever reason; a dead one raises."""
    try:
        return question(*arguments)
    except nvml.NVMLError as error:
        if error.value in _DEAD:
            raise
        return None
    except UnicodeDecodeError as error:  # the binding decodes names, and some are damaged
        return error.object


def _text(value: str | bytes) -> str:
    # Older bindings give bytes, and so do damaged names.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _pynvml() -> Any:
    if "pynvml" not in sys.modules:
        ctypes.CDLL("libnvidia-ml.so.1")  # it fails within a millisecond; the binding takes 100 to import
    import pynvml  # noqa: PLC0415

    return pynvml

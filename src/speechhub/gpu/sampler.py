"""Samples all GPUs periodically, in a thread: NVML blocks, and a faulty driver blocks for long."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final

import structlog

from speechhub.gpu.alarm import Crossing, MemoryAlarm
from speechhub.gpu.leaks import LeakVerdict, between_residents, residual
from speechhub.gpu.monitor import GpuMonitor
from speechhub.gpu.values import GpuDevice, GpuSample

log = structlog.get_logger()

CALM_S: Final = 1.0
SWITCHING_S: Final = 0.1
"""Sampling interval while an engine loads or stops."""
KEPT_RESIDUALS: Final = 200
"""Most switches behind a verdict; Theil-Sen compares all pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuView:
    """The last sample of a GPU, and the conclusions from it."""

    device: GpuDevice
    sample: GpuSample | None
    """None while the GPU does not answer."""
    full: bool
    """Whether it is nearly full; see `MemoryAlarm`."""
    leak: LeakVerdict


@dataclass(slots=True, kw_only=True)
class _Watched:
    device: GpuDevice
    sample: GpuSample | None = None
    alarm: MemoryAlarm = field(default_factory=MemoryAlarm)
    baseline_bytes: int | None = None
    residuals: list[int] = field(default_factory=list)
    leak: LeakVerdict = field(default_factory=lambda: between_residents(()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation:
    """What the hub itself is doing with a GPU at this moment."""

    engine: str | None = None
    """The engine on the GPU; None if there is none."""
    switching: bool = False
    """Whether an engine is being loaded or stopped."""


class GpuSampler:
    """Keeps the last view of every GPU; one instance per server.

    `views` and `problem` never block, so that health checks answer even if the driver hangs.
    """

    def __init__(self, monitor: GpuMonitor, occupation: Callable[[int], Occupation]) -> None:
        """Create a sampler that does nothing before `start`.

        Args:
            monitor: The driver.
            occupation: Returns what the hub does with the GPU of an index; called in the sampler's thread.
        """
        self._monitor = monitor
        self._occupation = occupation
        self._looking = Lock()
        self._lock = Lock()
        self._watched: dict[int, _Watched] = {}
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def problem(self) -> str | None:
        """Return why the driver does not answer; None if it does."""
        return self._monitor.problem

    def views(self) -> tuple[GpuView, ...]:
        """Return the last view of every GPU; empty without GPUs, or before the first sample."""
        with self._lock:
            return tuple(
                GpuView(device=gpu.device, sample=gpu.sample, full=gpu.alarm.full, leak=gpu.leak)
                for gpu in self._watched.values()
            )

    def start(self) -> None:
        """Begin to sample, in a separate thread."""
        self._thread = Thread(target=self._run, name="gpu-sampler", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Stop sampling; wait at most *timeout_s* for a driver that hangs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def look(self) -> float:
        """Sample every GPU once; return the seconds until the next sample. Blocks."""
        with self._looking:
            devices = self._monitor.devices() if not self._watched else ()
            with self._lock:
                self._watched |= {device.index: _Watched(device=device) for device in devices}
            doing = [self._look_at(gpu) for gpu in self._watched.values()]
        return SWITCHING_S if any(one.switching for one in doing) else CALM_S

    def note_residual(self, index: int, ours: Iterable[int]) -> LeakVerdict | None:
        """Sample a GPU without an engine, and judge whether memory was lost since the server started.

        Blocks. Call it once after each switch, when memory has had time to be released.

        Args:
            index: Index of the GPU.
            ours: Ids of all processes that we ever had on it.

        Returns:
            The verdict; None if the GPU does not answer, or was never seen empty before.
        """
        gpu = self._watched.get(index)
        sample = self._monitor.sample(index)
        if gpu is None or sample is None or gpu.baseline_bytes is None:
            return None
        left = residual(sample.used_bytes, gpu.baseline_bytes, sample.processes, set(ours))
        residuals = [*gpu.residuals, left][-KEPT_RESIDUALS:]
        verdict = between_residents(residuals)
        if verdict.suspected and not gpu.leak.suspected:
            log.warning(
                "gpu memory is leaking",
                gpu=index,
                residual_mb=round(left / 2**20),
                slope_mb=round(verdict.slope_bytes / 2**20, 1),
                pids=sorted(sample.processes or ()),
            )
        with self._lock:
            gpu.residuals, gpu.leak = residuals, verdict
        return verdict

    def _look_at(self, gpu: _Watched) -> Occupation:
        doing = self._occupation(gpu.device.index)
        sample = self._monitor.sample(gpu.device.index)
        crossing = gpu.alarm.feed(sample.used_share) if sample else None
        with self._lock:
            gpu.sample = sample
            if gpu.baseline_bytes is None and sample and doing.engine is None and not doing.switching:
                gpu.baseline_bytes = residual(sample.used_bytes, 0, sample.processes, ())
        if crossing is not None and sample is not None:
            say, event = (
                (log.warning, "gpu is nearly full")
                if crossing is Crossing.FULL
                else (log.info, "gpu has room again")
            )
            say(
                event,
                gpu=gpu.device.index,
                engine=doing.engine,
                used_mb=round(sample.used_bytes / 2**20),
                total_mb=round(sample.total_bytes / 2**20),
                used_percent=round(sample.used_share * 100, 1),
            )
        return doing

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            pause_s = self.look()

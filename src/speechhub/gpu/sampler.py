"""Looks at all GPUs again and again, in a thread: NVML blocks, and a sick driver blocks for long."""

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
"""How often it looks while an engine comes or goes."""
KEPT_RESIDUALS: Final = 200
"""Switches that a verdict looks back on; Theil-Sen compares all pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuView:
    """The last look at a GPU, and what was made of it."""

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
    """What the hub itself does with a GPU at this moment."""

    engine: str | None = None
    """The engine that is on it."""
    switching: bool = False
    """Whether an engine comes or goes."""


class GpuSampler:
    """Keeps the last view of every GPU; one for each server.

    `views` and `problem` never block, so that health checks answer whatever the driver does.
    """

    def __init__(self, monitor: GpuMonitor, occupation: Callable[[int], Occupation]) -> None:
        """Make a sampler that looks at nothing before `start`.

        Args:
            monitor: The driver.
            occupation: Given a GPU's index, what the hub does with it; called in the sampler's thread.
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
        """Return the last look at every GPU; empty where there is none, or before the first look."""
        with self._lock:
            return tuple(
                GpuView(device=it.device, sample=it.sample, full=it.alarm.full, leak=it.leak)
                for it in self._watched.values()
            )

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._thread = Thread(target=self._run, name="gpu-sampler", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Stop looking; a driver that hangs is left behind after *timeout_s*."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def look(self) -> float:
        """Look at every GPU once; return after how many seconds to look again. Blocks."""
        with self._looking:
            devices = self._monitor.devices() if not self._watched else ()
            with self._lock:
                self._watched |= {device.index: _Watched(device=device) for device in devices}
            doing = [self._look_at(it) for it in self._watched.values()]
        return SWITCHING_S if any(it.switching for it in doing) else CALM_S

    def note_residual(self, index: int, ours: Iterable[int]) -> LeakVerdict | None:
        """Look at a GPU that no engine is on, and judge whether memory got lost since the server began.

        Blocks. Call it once after each switch, when the memory had its time to come back.

        Args:
            index: The GPU.
            ours: Ids of all processes that ever were on it for us.

        Returns:
            The verdict; None if the GPU does not answer, or was never seen empty before.
        """
        it = self._watched.get(index)
        sample = self._monitor.sample(index)
        if it is None or sample is None or it.baseline_bytes is None:
            return None
        left = residual(sample.used_bytes, it.baseline_bytes, sample.processes, set(ours))
        residuals = [*it.residuals, left][-KEPT_RESIDUALS:]
        verdict = between_residents(residuals)
        if verdict.suspected and not it.leak.suspected:
            log.warning(
                "gpu memory is leaking",
                gpu=index,
                residual_mb=round(left / 2**20),
                slope_mb=round(verdict.slope_bytes / 2**20, 1),
                pids=sorted(sample.processes or ()),
            )
        with self._lock:
            it.residuals, it.leak = residuals, verdict
        return verdict

    def _look_at(self, it: _Watched) -> Occupation:
        doing = self._occupation(it.device.index)
        sample = self._monitor.sample(it.device.index)
        crossing = it.alarm.feed(sample.used_share) if sample else None
        with self._lock:
            it.sample = sample
            if it.baseline_bytes is None and sample and doing.engine is None and not doing.switching:
                it.baseline_bytes = residual(sample.used_bytes, 0, sample.processes, ())
        if crossing is not None and sample is not None:
            say, event = (
                (log.warning, "gpu is nearly full")
                if crossing is Crossing.FULL
                else (log.info, "gpu has room again")
            )
            say(
                event,
                gpu=it.device.index,
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

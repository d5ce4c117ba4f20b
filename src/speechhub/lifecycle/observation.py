"""Observation of the server by itself, for the metrics, the health and the operators' routes."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Final, Self

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from speechhub.gpu.monitor import GpuMonitor, NoGpus
from speechhub.gpu.sampler import GpuSampler, GpuView, Occupation
from speechhub.lifecycle.journal import Journal
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.events import Effect, Event, Freed
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.switches import Switch
from speechhub.metrics import Looked, Metrics
from speechhub.pools import Pool
from speechhub.settings import Settings

BEAT_S: Final = 0.5
"""How often the event loop's lag is measured."""

SETTLED: Final = (None, Phase.READY)
"""Phases in which nothing comes or goes."""


class Observation:
    """Listens to a manager and watches the GPUs; an async context, one for each server."""

    def __init__(
        self, manager: Manager, metrics: Metrics, settings: Settings, monitor: GpuMonitor, pool: Pool
    ) -> None:
        """Listen from now on; the GPUs and the event loop are watched while the context is open."""
        self._pool = pool
        self.metrics = metrics
        self.journal = Journal(manager.placements, metrics)
        self.lag_s = 0.0
        self._manager = manager
        self._settings = settings
        self._monitor = monitor
        self.sampler = GpuSampler(monitor, self._occupation)
        self._occupations: dict[str, Occupation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        manager.observe(self._happened)
        manager.switches.observe(self._switched)
        manager.engine_memory.observe(lambda model, report: metrics.crossed(model, report.overhead_s))
        metrics.also(Looked(self._families))

    async def __aenter__(self) -> Self:
        self._keep(self._beat())
        if not isinstance(self._monitor, NoGpus):
            self.sampler.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.run(self.sampler.close)
        await self._pool.run(self._monitor.close)

    def gpus(self) -> tuple[GpuView, ...]:
        """Return the last look at every GPU."""
        return self.sampler.views()

    @property
    def gpu_problem(self) -> str | None:
        """Why the driver does not answer, or that there is no GPU; None if all is well."""
        return self.sampler.problem

    def stalled(self) -> list[str]:
        """Return the models whose queue does not move; see `Journal.stalled`."""
        wanted = self._settings.stalled_after_s
        return self.journal.stalled(
            self._manager.states(),
            asyncio.get_running_loop().time(),
            idle_bound_s=wanted or self._settings.first_load_timeout_s + self._settings.switch_timeout_s,
            busy_bound_s=wanted or self._settings.request_timeout_s,
        )

    def oldest_wait_s(self, model: str) -> float:
        """Return how long the first in a model's queue has waited; 0 if no request waits."""
        since = self.journal.oldest(model)
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def last_switch(self, device: str) -> Switch | None:
        """Return the last switch on *device*; None before the first."""
        recent = self._manager.switches.recent
        return next((it for it in reversed(recent) if it.device == device), None)

    def _happened(self, event: Event, effects: Iterable[Effect], now: float) -> None:
        self.journal(event, list(effects), now)
        if isinstance(self._monitor, NoGpus):
            return
        self._occupations = self._occupied()
        if isinstance(event, Freed):
            device = self._manager.placements[event.model].device
            # The next engine takes longer to reach the device than one look at it takes.
            self._keep(self._note_residual(_index(device.name)))

    def _switched(self, switch: Switch) -> None:
        leaving, model = switch.direction
        for step, took_s in switch.steps_s.items():
            self.metrics.switch_step(leaving, model, step.value, took_s)
        self.metrics.switch_step(leaving, model, "total", switch.total_s)
        self.metrics.switched(switch.result.value)

    def _occupation(self, index: int) -> Occupation:
        return self._occupations.get(f"cuda:{index}", Occupation())

    def _occupied(self) -> dict[str, Occupation]:
        found: dict[str, Occupation] = {}
        for state in self._manager.states():
            if state.phase is None:
                continue
            placement = self._manager.placements[state.model]
            before = found.get(placement.device.name, Occupation())
            found[placement.device.name] = Occupation(
                engine=before.engine or placement.engine.spec.name,
                switching=before.switching or state.phase not in SETTLED,
            )
        return found

    async def _note_residual(self, index: int) -> None:
        await self._pool.run(self.sampler.note_residual, index, ())

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.lag_s = max(0.0, loop.time() - due)
            self.metrics.lag(self.lag_s)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── What is looked up at every reading ───────────────────────────────────

    def _families(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily("speechhub_queue_depth", "Requests that wait.", labels=("model",))
        oldest = GaugeMetricFamily(
            "speechhub_queue_oldest_seconds", "How long the first of a queue has waited.", labels=("model",)
        )
        ready = GaugeMetricFamily("speechhub_engine_ready", "Whether a model is loaded.", labels=("model",))
        busy = GaugeMetricFamily("speechhub_engine_busy", "Whether a model works.", labels=("model",))
        stalled = GaugeMetricFamily(
            "speechhub_queue_stalled", "Whether a queue does not move.", labels=("model",)
        )
        failing = GaugeMetricFamily(
            "speechhub_engine_failing", "Whether a model's last load failed.", labels=("model",)
        )
        memory = GaugeMetricFamily(
            "speechhub_engine_memory_bytes", "What an engine says to hold.", labels=("model", "kind")
        )
        still = set(self.stalled())
        for state in self._manager.states():
            labels = (state.model,)
            depth.add_metric(labels, state.waiting)
            oldest.add_metric(labels, self.oldest_wait_s(state.model))
            ready.add_metric(labels, state.phase is Phase.READY)
            busy.add_metric(labels, state.busy)
            stalled.add_metric(labels, state.model in still)
            failing.add_metric(labels, state.failing_until is not None)
            if (held := self._manager.memory(state.model)) is not None:
                memory.add_metric((*labels, "allocated"), held.allocated_bytes)
                memory.add_metric((*labels, "reserved"), held.reserved_bytes)
        yield from (depth, oldest, ready, busy, stalled, failing, memory)
        yield from _gpu_families(self.gpus())


def _gpu_families(views: Iterable[GpuView]) -> Iterable[Metric]:
    memory = GaugeMetricFamily(
        "speechhub_vram_bytes", "Memory of a GPU that is used, free and there.", labels=("gpu", "kind")
    )
    residual = GaugeMetricFamily(
        "speechhub_vram_residual_bytes", "Memory left over after the last switch.", labels=("gpu",)
    )
    leak = GaugeMetricFamily("speechhub_leak_suspected", "Whether memory gets lost.", labels=("gpu",))
    busy = GaugeMetricFamily("speechhub_gpu_utilisation_ratio", "How busy a GPU is.", labels=("gpu",))
    heat = GaugeMetricFamily("speechhub_gpu_temperature_celsius", "How hot a GPU is.", labels=("gpu",))
    power = GaugeMetricFamily("speechhub_gpu_power_watts", "What a GPU draws.", labels=("gpu",))
    for view in views:
        gpu, sample = str(view.device.index), view.sample
        residual.add_metric((gpu,), view.leak.residual_bytes)
        leak.add_metric((gpu,), view.leak.suspected)
        if sample is None:  # a gap in the graph is the truth
            continue
        for kind, size in (
            ("used", sample.used_bytes),
            ("free", sample.free_bytes),
            ("total", sample.total_bytes),
        ):
            memory.add_metric((gpu, kind), size)
        for family, value in (
            (busy, sample.utilisation),
            (heat, sample.temperature_c),
            (power, sample.power_w),
        ):
            if value is not None:
                family.add_metric((gpu,), value)
    yield from (memory, residual, leak, busy, heat, power)


def _index(device: str) -> int:
    return int(device.rpartition(":")[2] or 0)

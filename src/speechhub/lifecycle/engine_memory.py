"""Memory that engines hold on their devices from call to call, and whether it shows a leak."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from speechhub.engine import DeviceMemory
from speechhub.gpu.leaks import VISIT_CALLS, inside_visit
from speechhub.lifecycle.scheduler.events import Event, RecycleWanted
from speechhub.worker.conversation import Report
from speechhub.worker.host import Worker

log = structlog.get_logger()

ReportObserver = Callable[[str, Report], None]


@dataclass(slots=True, kw_only=True)
class _Stay:
    epoch: int
    held_bytes: deque[int] = field(default_factory=lambda: deque(maxlen=VISIT_CALLS + 1))
    memory: DeviceMemory | None = None
    suspected: bool = False


class EngineMemory:
    """Follows the memory of each model's worker while it is on its device; one for each manager."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        """Begin without reports; *post* takes the events."""
        self._post = post
        self._stays: dict[str, _Stay] = {}
        self._observers: list[ReportObserver] = []

    def observe(self, observer: ReportObserver) -> None:
        """Have *observer* called with a model and its worker's report after each call; it must be quick."""
        self._observers.append(observer)

    def memory(self, model: str, epoch: int | None) -> DeviceMemory | None:
        """Return what a worker last reported to hold; None if it reported nothing."""
        stay = self._stays.get(model)
        return stay.memory if stay is not None and stay.epoch == epoch else None

    def called(self, model: str, worker: Worker) -> None:
        """Record a worker's report after a call; have the worker replaced if its memory keeps growing."""
        report = worker.report
        if report is None:
            return
        for observer in self._observers:
            observer(model, report)
        if report.memory is None:
            return
        stay = self._stays.get(model)
        if stay is None or stay.epoch != worker.epoch:
            stay = self._stays[model] = _Stay(epoch=worker.epoch)
        stay.memory = report.memory
        stay.held_bytes.append(report.memory.allocated_bytes)
        if not stay.suspected and inside_visit(stay.held_bytes):
            stay.suspected = True
            grown_bytes = stay.held_bytes[-1] - stay.held_bytes[0]
            log.warning(
                "engine memory grows on every call; restarting it when idle",
                model=model,
                epoch=worker.epoch,
                grown_bytes=grown_bytes,
                calls=VISIT_CALLS,
            )
            self._post(RecycleWanted(model=model, epoch=worker.epoch))

"""What engines hold of their devices from call to call, and whether that tells of a leak."""

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
    """The stay of each model's worker on its device; one for each manager."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        """Know nothing yet; *post* takes the events."""
        self._post = post
        self._stays: dict[str, _Stay] = {}
        self._observers: list[ReportObserver] = []

    def observe(self, observer: ReportObserver) -> None:
        """Have *observer* called with a model and what its worker tells after a call; it must be quick."""
        self._observers.append(observer)

    def memory(self, model: str, epoch: int | None) -> DeviceMemory | None:
        """Return what a worker said to hold, last; None if it never said."""
        stay = self._stays.get(model)
        return stay.memory if stay is not None and stay.epoch == epoch else None

    def called(self, model: str, worker: Worker) -> None:
        """Take note of what a worker told after a call; have it replaced if it holds more and more."""
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
                "engine holds more after every call and is replaced when nobody waits",
                model=model,
                epoch=worker.epoch,
                grown_bytes=grown_bytes,
                calls=VISIT_CALLS,
            )
            self._post(RecycleWanted(model=model, epoch=worker.epoch))

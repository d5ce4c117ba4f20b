"""Standby workers: imports done, weights in the host's memory if it has room, nothing on any device."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import structlog

from speechhub.engine import LoadContext
from speechhub.placement import Placement
from speechhub.worker.host import Worker

log = structlog.get_logger()

Mode = Literal["auto", "on", "off"]
RESERVE_BYTES: Final = 2 * 1024**3
"""Memory that ``auto`` leaves to the rest of the machine, beyond what the model itself takes by its spec; and
that weights in the host's memory leave to it in any mode."""
SHORT_BYTES: Final = 1024**3
"""When the machine has less memory to spare than this, waiting weights are given up."""
LOOK_EVERY_S: Final = 2.0
"""Seconds between two looks at the memory that the machine has to spare, while a worker stands by."""
LIBRARIES_BYTES: Final = 1024**3
"""Memory that an engine's process takes before it has weights. Measured: 0.6 GB for PyTorch with
transformers."""


@dataclass(slots=True, kw_only=True)
class _Standby:
    placement: Placement
    context: LoadContext
    """What the engine gets; if `LoadContext.host_memory_bytes` is set, its engine may hold weights."""
    task: asyncio.Task[Worker]
    """Starts the process and prepares it; its result stands by."""

    @property
    def model(self) -> str:
        return self.placement.model.id

    @property
    def promised_bytes(self) -> int:
        """How much more of the host's memory the worker may take; what it took is no longer free there."""
        return 0 if self.task.done() else self.context.host_memory_bytes or 0


class Standbys:
    """At most one prepared worker for each exclusive device; belongs to a manager and ends with it.

    A standby worker never counts as holding its device. One that dies, or cannot be prepared, is forgotten:
    the next load starts cold, and reports the fault if it is still there. When the machine's memory is low,
    a worker whose weights wait in it is stopped.
    """

    def __init__(
        self,
        start: Callable[[Placement, int], Awaitable[Worker]],
        *,
        mode: Mode,
        available_bytes: Callable[[], int],
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Keep none yet.

        Args:
            start: Starts a worker's process; its epoch is 0.
            mode: ``auto`` prepares where the machine has memory to spare, ``on`` always, ``off`` never.
            available_bytes: Returns how much memory the machine has to spare.
            look_every_s: Seconds between two looks at that, while a worker stands by.
        """
        self._start = start
        self._mode = mode
        self._available_bytes = available_bytes
        self._look_every_s = look_every_s
        self._watch: asyncio.Task[None] | None = None
        self._made: dict[str, _Standby] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def model(self, device: str) -> str | None:
        """Return the model of the standby worker of *device*, even one in preparation; None if none."""
        standby = self._made.get(device)
        return standby.model if standby is not None and _usable(standby) else None

    async def settle(self) -> None:
        """Return when no worker is in preparation any more: each is ready, or could not be prepared."""
        if tasks := [standby.task for standby in self._made.values()]:
            await asyncio.wait(tasks)

    def prepare(self, placement: Placement, context: LoadContext) -> None:
        """Have a worker stand by for *placement*; it replaces the former standby worker of its device."""
        device = placement.device.name
        if self.model(device) == placement.model.id or not self._allowed(placement):
            return
        self.drop(device)
        self._begin(placement, replace(context, host_memory_bytes=self._for_weights(placement)))

    async def take(self, placement: Placement) -> Worker | None:
        """Hand over the standby worker of *placement*; None if there is none, or it has died.

        If it is still in preparation, wait for it: it is ahead of a new one. One of another model stays.
        """
        device = placement.device.name
        if self.model(device) != placement.model.id:
            return None
        standby = self._made.pop(device)
        try:
            worker = await asyncio.shield(standby.task)
        except asyncio.CancelledError:
            self._end(standby)
            raise
        except Exception:  # noqa: BLE001  # it was logged, and a cold start meets it again
            return None
        return worker if worker.ended is None else None

    def drop(self, device: str) -> None:
        """Stop the standby worker of *device*, if there is one."""
        if (standby := self._made.pop(device, None)) is not None:
            self._end(standby)

    async def close(self) -> None:
        """Stop all standby workers; return when they are reaped."""
        for device in list(self._made):
            self.drop(device)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _allowed(self, placement: Placement) -> bool:
        if self._mode != "auto":
            return self._mode == "on"
        return self._spare_bytes() >= placement.model.memory_bytes + RESERVE_BYTES

    def _spare_bytes(self) -> int:
        """Return the memory to spare, less what workers in preparation may still take."""
        return self._available_bytes() - sum(standby.promised_bytes for standby in self._made.values())

    def _for_weights(self, placement: Placement) -> int | None:
        """Return how much of the host's memory the weights may take while they wait; None if they may not.

        On a CPU they would wait in the very memory that they are loaded into, beside the page cache, which
        has them already.
        """
        if placement.device.kind == "cpu":
            return None
        left = self._spare_bytes() - RESERVE_BYTES - LIBRARIES_BYTES
        if placement.model.memory_bytes:
            # Twice, because weights can have 32 bits there. Not all: other devices have standby workers.
            left = min(left, 2 * placement.model.memory_bytes)
        return left if left > 0 else None

    def _begin(self, placement: Placement, context: LoadContext) -> None:
        device = placement.device.name
        task = asyncio.create_task(self._prepare(placement, context), name=f"speechhub-standby-{device}")
        task.add_done_callback(_look)
        self._made[device] = _Standby(placement=placement, context=context, task=task)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_at_memory(), name="speechhub-standby-memory")

    async def _look_at_memory(self) -> None:
        """Stop standby workers when memory is low; end when there are none."""
        while self._made:
            await asyncio.sleep(self._look_every_s)
            for device, standby in list(self._made.items()):
                holds = standby.context.host_memory_bytes is not None
                if not _usable(standby) or not (holds or self._mode == "auto"):
                    continue
                if (spare_bytes := self._available_bytes()) >= SHORT_BYTES:
                    break
                log.warning(
                    "memory is low; stopping a standby worker",
                    model=standby.model,
                    device=device,
                    available_mb=spare_bytes // 1024**2,
                )
                self.drop(device)
                await asyncio.gather(*self._ending, return_exceptions=True)
                if self._mode == "on" and device not in self._made:  # the mode promises one: without weights
                    self._begin(standby.placement, replace(standby.context, host_memory_bytes=None))

    async def _prepare(self, placement: Placement, context: LoadContext) -> Worker:
        say = log.bind(model=placement.model.id, device=placement.device.name)
        try:
            worker = await self._start(placement, 0)
            try:
                await worker.prepare(context)
            except BaseException:
                await _kill(worker)
                raise
        except Exception as error:
            say.info("standby worker could not be prepared", error=str(error))
            raise
        say.debug("standby worker is ready", pid=worker.pid)
        return worker

    def _end(self, standby: _Standby) -> None:
        task = asyncio.create_task(_finish(standby))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _look(task: asyncio.Task[Worker]) -> None:
    """Retrieve the task's error: asyncio logs errors that are never retrieved."""
    if not task.cancelled():
        task.exception()


def _usable(standby: _Standby) -> bool:
    task = standby.task
    if not task.done():
        return True
    return not task.cancelled() and task.exception() is None and task.result().ended is None


async def _finish(standby: _Standby) -> None:
    standby.task.cancel()
    [worker] = await asyncio.gather(standby.task, return_exceptions=True)
    if not isinstance(worker, BaseException):
        await _kill(worker)


async def _kill(worker: Worker) -> None:
    """Kill a worker that has no model: there is nothing that it could close."""
    worker.kill()
    await worker.exited

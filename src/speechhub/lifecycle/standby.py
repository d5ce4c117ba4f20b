"""Workers that stand by: imports done, weights in the host's memory if it has room, nothing on any device."""

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
"""What ``auto`` leaves to the rest of the machine, beyond what the model itself is said to take; what weights
in the host's memory leave to it in any mode."""
SHORT_BYTES: Final = 1024**3
"""When the machine has less to spare than this, weights that wait are given up."""
LOOK_EVERY_S: Final = 2.0
"""Between two looks at what the machine has to spare, while somebody stands by."""
LIBRARIES_BYTES: Final = 1024**3
"""What an engine's process takes before it has weights. PyTorch with transformers takes 0.6 GB here."""


@dataclass(slots=True, kw_only=True)
class _Standby:
    placement: Placement
    context: LoadContext
    """What it was told; with `LoadContext.host_memory_bytes`, its engine may hold weights."""
    task: asyncio.Task[Worker]
    """Starts the process and prepares it; its result stands by."""

    @property
    def model(self) -> str:
        return self.placement.model.id

    @property
    def promised_bytes(self) -> int:
        """What it may yet take of the host's memory; what it has taken is seen there."""
        return 0 if self.task.done() else self.context.host_memory_bytes or 0


class Standbys:
    """At most one prepared worker for each exclusive device; belongs to a manager and ends with it.

    One that stands by never counts as holding its device. One that dies, or cannot be made, is forgotten:
    the next load starts cold, and says what is wrong if it is still wrong then. So is one when the machine's
    memory gets short.
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
            start: Starts a worker's process; it gets the number 0.
            mode: ``auto`` prepares where the machine has memory to spare, ``on`` always, ``off`` never.
            available_bytes: How much it has to spare.
            look_every_s: Seconds between two looks at that, while somebody stands by.
        """
        self._start = start
        self._mode = mode
        self._available_bytes = available_bytes
        self._look_every_s = look_every_s
        self._watch: asyncio.Task[None] | None = None
        self._made: dict[str, _Standby] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def model(self, device: str) -> str | None:
        """Return for which model a worker stands by on *device*, or is being prepared; None if none."""
        standby = self._made.get(device)
        return standby.model if standby is not None and _usable(standby) else None

    async def settle(self) -> None:
        """Return when nothing is being prepared any more: who stands by is ready, or could not be made."""
        if tasks := [standby.task for standby in self._made.values()]:
            await asyncio.wait(tasks)

    def prepare(self, placement: Placement, context: LoadContext) -> None:
        """Have a worker stand by for *placement*, in place of whichever did on its device."""
        device = placement.device.name
        if self.model(device) == placement.model.id or not self._allowed(placement):
            return
        self.drop(device)
        self._begin(placement, replace(context, host_memory_bytes=self._for_weights(placement)))

    async def take(self, placement: Placement) -> Worker | None:
        """Hand over the worker that stands by for *placement*; None if none does, or it has died.

        One that is not prepared yet is waited for: it is ahead of a new one. The others on the device stay.
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
        except Exception:  # noqa: BLE001  # whatever it was, it was told, and a cold start meets it again
            return None
        return worker if worker.ended is None else None

    def drop(self, device: str) -> None:
        """End the worker that stands by on *device*, if one does."""
        if (standby := self._made.pop(device, None)) is not None:
            self._end(standby)

    async def close(self) -> None:
        """End all; return when they are reaped."""
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
        """Return what the machine has to spare, without what others that are being prepared may yet take."""
        return self._available_bytes() - sum(standby.promised_bytes for standby in self._made.values())

    def _for_weights(self, placement: Placement) -> int | None:
        """Return how much of the host's memory weights may wait in; None if they may not.

        On a CPU they would wait in the very memory that they are to be in, beside the page cache, which has
        them already.
        """
        if placement.device.kind == "cpu":
            return None
        left = self._spare_bytes() - RESERVE_BYTES - LIBRARIES_BYTES
        if placement.model.memory_bytes:
            # Twice: there they can have 32 bits. Not all there is: other devices have standbys, too.
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
        """Give up what waits when memory gets short; end when nothing does."""
        while self._made:
            await asyncio.sleep(self._look_every_s)
            for device, standby in list(self._made.items()):
                holds = standby.context.host_memory_bytes is not None
                if not _usable(standby) or not (holds or self._mode == "auto"):
                    continue
                if (spare_bytes := self._available_bytes()) >= SHORT_BYTES:
                    break
                log.warning(
                    "memory is short: a worker that stands by is ended",
                    model=standby.model,
                    device=device,
                    available_mb=spare_bytes // 1024**2,
                )
                self.drop(device)
                await asyncio.gather(*self._ending, return_exceptions=True)
                if self._mode == "on" and device not in self._made:  # without weights, as it was promised
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
            say.info("no worker stands by", error=str(error))
            raise
        say.debug("worker stands by", pid=worker.pid)
        return worker

    def _end(self, standby: _Standby) -> None:
        task = asyncio.create_task(_finish(standby))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _look(task: asyncio.Task[Worker]) -> None:
    """Take note of the task's error, or asyncio complains that nobody did."""
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
    """End a worker that has no model: there is nothing that it could close."""
    worker.kill()
    await worker.exited

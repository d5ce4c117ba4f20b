"""Who waits for an engine, and who uses one: every ticket from its wish to its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from speechhub.errors import (
    EngineCrashedError,
    EngineDeviceError,
    EngineError,
    EngineOutOfMemoryError,
    RequestCancelledError,
    ShuttingDownError,
    SpeechhubError,
)
from speechhub.lifecycle.incidents import engine_failed
from speechhub.lifecycle.scheduler.events import (
    BatchTooLarge,
    Cancelled,
    DeviceLost,
    DeviceUnusable,
    Done,
    Event,
    Grant,
    RecycleWanted,
    Refuse,
    Requested,
)
from speechhub.lifecycle.shared_call import Heard, Part, transcribe_together
from speechhub.lifecycle.workers import Workers
from speechhub.placement import Placement
from speechhub.worker.host import Worker

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Waiter:
    request: Requested
    granted: "asyncio.Future[int]"
    """Epoch of the worker, or why there is none."""
    part: Part | None = None
    """What it brings into a shared call; None if it uses the engine itself."""


class Leases:
    """The tickets of one manager that are not over, and those who hold them."""

    def __init__(
        self,
        workers: Workers,
        *,
        placements: Mapping[str, Placement],
        post: Callable[[Event], None],
        called: Callable[[str, Worker], None],
        cancel_grace_s: float,
    ) -> None:
        """Begin without tickets.

        Args:
            workers: Where granted workers are found.
            placements: Every model that can be served, by id.
            post: Takes the events.
            called: Told after each lease, with the model and the worker, which is idle then.
            cancel_grace_s: How long an engine may take to notice that its call was cancelled.
        """
        self.closing = False
        """Whether the server stops: work that ends early then was cut off."""
        self._workers = workers
        self._placements = placements
        self._post = post
        self._called = called
        self._cancel_grace_s = cancel_grace_s
        self._waiters: dict[int, _Waiter] = {}

    def waiting(self) -> Iterable[Requested]:
        """Return what everybody who waits asked for."""
        return [waiter.request for waiter in self._waiters.values() if not waiter.granted.done()]

    async def wait(self, request: Requested) -> int:
        """Queue a ticket; return the epoch of the worker that it was granted.

        Raises:
            SpeechhubError: What the ticket was refused with.
        """
        return await self._wait(request, None)

    @asynccontextmanager
    async def lease(self, request: Requested) -> AsyncIterator[Worker]:
        """Wait for an engine, and use it alone; see `Manager.lease`."""
        worker = self._workers.get(await self.wait(request))
        finished = False
        try:
            yield self._there(worker, request.model)
            finished = True
        except (RequestCancelledError, EngineCrashedError) as error:
            if self.closing:  # it did not end by itself
                raise ShuttingDownError from error
            self._ended(request.model, error)
            raise
        except EngineError as error:
            if isinstance(error, EngineOutOfMemoryError):
                self._too_large(request.model, worker, 1)
            if isinstance(error, EngineDeviceError):
                self._unusable(request.model, worker, error)
            engine_failed(self._placements[request.model], error)
            raise
        finally:
            # In a task of its own: whoever leaves the lease may be cancelled, and must not hold it then.
            self._workers.spawn(self._give_back([request], worker, finished=finished))

    async def share(self, request: Requested, part: Part) -> Heard:
        """Wait for an engine, and have it transcribe; see `Manager.transcribe`."""
        try:
            await self._wait(request, part)
            try:
                return await part.answer
            except EngineError as error:
                engine_failed(self._placements[request.model], error)
                raise
        finally:
            _forget(part.answer)

    async def _wait(self, request: Requested, part: Part | None) -> int:
        waiter = _Waiter(request=request, granted=asyncio.get_running_loop().create_future(), part=part)
        self._waiters[request.ticket] = waiter
        self._post(request)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            # One that shares a call, and was granted in this moment, is taken back with the others.
            if part is None or waiter.granted.cancelled() or not waiter.granted.done():
                self._post(Cancelled(ticket=request.ticket))
            raise
        finally:
            del self._waiters[request.ticket]
            _forget(waiter.granted)

    def answer(self, effect: Grant | Refuse) -> None:
        """Tell who waits."""
        numbers = effect.tickets if isinstance(effect, Grant) else (effect.ticket,)
        waiters = [self._waiters[number] for number in numbers if number in self._waiters]
        # Who was cancelled a moment ago is left out: its Cancelled event follows.
        waiters = [waiter for waiter in waiters if not waiter.granted.done()]
        for waiter in waiters:
            if isinstance(effect, Refuse):
                waiter.granted.set_exception(effect.error)
            else:
                waiter.granted.set_result(effect.epoch)
        shared = [(waiter.request, waiter.part) for waiter in waiters if waiter.part is not None]
        if shared and isinstance(effect, Grant):
            requests, parts = zip(*shared, strict=True)
            for part in parts:
                part.begun = True
            self._workers.spawn(self._serve(effect.epoch, requests, parts))

    # ── The work ─────────────────────────────────────────────────────────────

    async def _serve(self, epoch: int, requests: Sequence[Requested], parts: Sequence[Part]) -> None:
        """Have a worker transcribe for several tickets, and give it back for all of them."""
        model, worker = requests[0].model, self._workers.get(epoch)
        finished = False
        error: Exception = EngineCrashedError(f"The engine of model {model!r} gave no answer.")
        try:
            finished = await transcribe_together(
                self._there(worker, model),
                parts,
                too_large=lambda recordings: self._too_large(model, worker, recordings),
            )
        except (RequestCancelledError, EngineCrashedError) as why:
            error = ShuttingDownError() if self.closing else why
            self._ended(model, error)
        except SpeechhubError as why:
            error = why
            if isinstance(why, EngineDeviceError):
                self._unusable(model, worker, why)
        finally:
            for part in parts:
                if not part.answer.done():
                    part.answer.set_exception(error)
            await self._give_back(requests, worker, finished=finished)

    def _ended(self, model: str, error: SpeechhubError) -> None:
        """Take note of a device that was lost: one that is lost at every call is not tried for ever."""
        if isinstance(error, EngineCrashedError) and error.device_lost:
            self._post(DeviceLost(model=model, error=error))

    def _there(self, worker: Worker | None, model: str) -> Worker:
        if worker is None:  # as if it had ended a moment later
            raise EngineCrashedError(f"The engine of model {model!r} ended before it could be used.")
        return worker

    def _too_large(self, model: str, worker: Worker | None, recordings: int) -> None:
        """Take note that a call ran out of memory: with less of it there may be enough, or never again."""
        if worker is None:
            return
        if recordings > 1:
            self._post(BatchTooLarge(model=model, epoch=worker.epoch, recordings=recordings))
        else:
            self._post(RecycleWanted(model=model, epoch=worker.epoch, urgent=True))

    def _unusable(self, model: str, worker: Worker | None, error: EngineDeviceError) -> None:
        """Take note that a call met a device that it cannot use: on another one it may be tried again."""
        if worker is None:
            return
        error.again = self._placements[model].fallback is not None
        self._post(DeviceUnusable(model=model, epoch=worker.epoch, error=error))

    async def _give_back(
        self, requests: Sequence[Requested], worker: Worker | None, *, finished: bool
    ) -> None:
        """End a lease: the next one is granted when the engine is idle, or gone."""
        model = requests[0].model
        try:
            await self._settle(model, worker)
        finally:
            for request in requests:
                self._post(Done(ticket=request.ticket, finished=finished))

    async def _settle(self, model: str, worker: Worker | None) -> None:
        if worker is not None and worker.ended is None:
            settled = await worker.settle(self._cancel_grace_s)
            if not settled and worker.ended is None:
                log.warning("engine does not stop a cancelled call and is killed", engine=worker.engine.name)
                worker.kill()
                await worker.exited
        if worker is not None and worker.ended is not None:
            self._workers.gone(model, worker.epoch)  # before Done, or a dead worker would be granted
        elif worker is not None:
            self._called(model, worker)


def _forget(future: "asyncio.Future[Any]") -> None:
    """Let asyncio know that nobody waits any more, for what came too late either."""
    if not future.cancel() and not future.cancelled():
        future.exception()

"""Tickets that wait for an engine and leases that use one, from the request to the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from speechhub.errors import (
    EngineCrashedError,
    EngineDeviceError,
    EngineError,
    EngineOutOfMemoryError,
    LiveSessionLostError,
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
from speechhub.lifecycle.shared_call import CallPart, PartAnswer, transcribe_together
from speechhub.lifecycle.workers import Workers
from speechhub.placement import Placement
from speechhub.worker.host import Worker

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Lease:
    """The right of one or more tickets to use a worker, from the grant until the worker is given back."""

    model: str
    epoch: int
    tickets: tuple[int, ...]
    finished: bool = False
    """Whether the work was done to its end."""


@dataclass(slots=True, kw_only=True)
class _Waiter:
    request: Requested
    granted: "asyncio.Future[_Lease]"
    """What the ticket was granted, or why it was refused."""
    part: CallPart | None = None
    """What the ticket brings into a shared call; None if its holder uses the engine itself."""


class Leases:
    """The open tickets of one manager, and the leases that they were granted."""

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
            called: Called after each lease, with the model and the worker, which is idle then.
            cancel_grace_s: How long an engine may take to notice that its call was cancelled.
        """
        self.closing = False
        """Whether the server is stopping: work that ends early was then cut off."""
        self._workers = workers
        self._placements = placements
        self._post = post
        self._called = called
        self._cancel_grace_s = cancel_grace_s
        self._waiters: dict[int, _Waiter] = {}

    def waiting(self) -> Iterable[Requested]:
        """Return the requests that still wait for an engine."""
        return [waiter.request for waiter in self._waiters.values() if not waiter.granted.done()]

    async def wait(self, request: Requested) -> None:
        """Queue a ticket that only wants the engine to be ready; return when it is.

        Raises:
            SpeechhubError: What the ticket was refused with.
        """
        await self._grant(request)

    @asynccontextmanager
    async def lease(self, request: Requested) -> AsyncIterator[Worker]:
        """Wait for an engine, and use it alone; see `Manager.lease`."""
        lease = await self._grant(request)
        async with self._held(lease) as worker:
            with self._failures_logged(request.model), self._failures_reported(lease.model, worker) as usable:
                yield usable
            lease.finished = True

    async def share(self, request: Requested, part: CallPart) -> PartAnswer:
        """Wait for an engine, and have it transcribe; see `Manager.transcribe`."""
        try:
            await self._grant(request, part)
            with self._failures_logged(request.model):
                return await part.answer
        finally:
            _forget(part.answer)

    async def _grant(self, request: Requested, part: CallPart | None = None) -> _Lease:
        waiter = _Waiter(request=request, granted=asyncio.get_running_loop().create_future(), part=part)
        self._waiters[request.ticket] = waiter
        self._post(request)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            # A ticket that shares a call, and was granted in this moment, is given back with the others.
            if part is None or waiter.granted.cancelled() or not waiter.granted.done():
                self._post(Cancelled(ticket=request.ticket))
            raise
        finally:
            del self._waiters[request.ticket]
            _forget(waiter.granted)

    def answer(self, effect: Grant | Refuse) -> None:
        """Tell the waiting requests; begin the call that they share, if they share one."""
        numbers = effect.tickets if isinstance(effect, Grant) else (effect.ticket,)
        waiters = [self._waiters[number] for number in numbers if number in self._waiters]
        # A waiter that was cancelled a moment ago is left out: its Cancelled event follows.
        waiters = [waiter for waiter in waiters if not waiter.granted.done()]
        if isinstance(effect, Refuse):
            for waiter in waiters:
                waiter.granted.set_exception(effect.error)
            return
        tickets = tuple(waiter.request.ticket for waiter in waiters)
        lease = _Lease(model=effect.model, epoch=effect.epoch, tickets=tickets)
        for waiter in waiters:
            waiter.granted.set_result(lease)
        if parts := [waiter.part for waiter in waiters if waiter.part is not None]:
            for part in parts:
                part.begun = True
            self._workers.spawn(self._serve(lease, parts))

    # ── The work ─────────────────────────────────────────────────────────────

    async def _serve(self, lease: _Lease, parts: Sequence[CallPart]) -> None:
        """Have a worker transcribe for several tickets."""
        error: SpeechhubError = EngineCrashedError(f"The engine of model {lease.model!r} gave no answer.")
        try:
            async with self._held(lease) as worker:
                use = partial(self._failures_reported, lease.model, worker)
                lease.finished = await transcribe_together(use, parts)
        except SpeechhubError as why:
            error = why
        finally:
            for part in parts:
                if not part.answer.done():
                    part.answer.set_exception(error)

    @asynccontextmanager
    async def _held(self, lease: _Lease) -> AsyncIterator[Worker | None]:
        """Hold the worker of a lease, and give it back for all its tickets; None if it has ended already."""
        worker = self._workers.get(lease.epoch)
        try:
            yield worker
        finally:
            # In a task of its own: the holder may be cancelled, and must not keep the lease then.
            self._workers.spawn(self._give_back(lease, worker))

    @contextmanager
    def _failures_reported(self, model: str, worker: Worker | None, recordings: int = 1) -> Iterator[Worker]:
        """Use a worker for one call; tell the scheduler what a failure of the call means for the worker.

        Args:
            model: Id of the model.
            worker: The worker that was granted; None if it has ended already.
            recordings: How many recordings the call carries.

        Raises:
            ShuttingDownError: The call was cut off because the server stops.
        """
        try:
            yield _there(model, worker)
        except (RequestCancelledError, EngineCrashedError) as error:
            if self.closing:  # it did not end by itself
                raise ShuttingDownError from error
            if isinstance(error, EngineCrashedError) and error.device_lost:
                self._post(DeviceLost(model=model, error=error))
            raise
        except EngineOutOfMemoryError:
            if worker is not None and recordings > 1:  # there may be enough memory for fewer
                self._post(BatchTooLarge(model=model, epoch=worker.epoch, recordings=recordings))
            elif worker is not None:  # what is free may be in pieces, and stay so in this process
                self._post(RecycleWanted(model=model, epoch=worker.epoch, urgent=True))
            raise
        except EngineDeviceError as error:
            if worker is not None:
                error.again = self._placements[model].fallback is not None
                self._post(DeviceUnusable(model=model, epoch=worker.epoch, error=error))
            raise

    @contextmanager
    def _failures_logged(self, model: str) -> Iterator[None]:
        try:
            yield
        except LiveSessionLostError:
            raise  # nothing failed: the hub begins another session
        except EngineError as error:
            engine_failed(self._placements[model], error)
            raise

    async def _give_back(self, lease: _Lease, worker: Worker | None) -> None:
        """End a lease: the next one is granted when the engine is idle, or gone."""
        try:
            await self._settle(lease.model, worker)
        finally:
            for ticket in lease.tickets:
                self._post(Done(ticket=ticket, finished=lease.finished))

    async def _settle(self, model: str, worker: Worker | None) -> None:
        if worker is None:
            return
        if worker.ended is None:
            settled = await worker.settle(self._cancel_grace_s)
            if not settled and worker.ended is None:
                log.warning("engine did not stop a cancelled call; killing it", engine=worker.engine.name)
                worker.kill()
                await worker.exited
        if worker.ended is None:
            self._called(model, worker)
        else:
            self._workers.gone(model, worker.epoch)  # before Done, or a dead worker would be granted


def _there(model: str, worker: Worker | None) -> Worker:
    if worker is None:  # as if it had ended a moment later
        raise EngineCrashedError(f"The engine of model {model!r} ended before it could be used.")
    return worker


def _forget(future: "asyncio.Future[Any]") -> None:
    """Cancel a future that is no longer awaited, or mark its exception as retrieved: asyncio logs others."""
    if not future.cancel() and not future.cancelled():
        future.exception()

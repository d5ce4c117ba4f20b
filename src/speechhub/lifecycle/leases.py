"""Who waits for an engine, and who uses one: every ticket from its wish to its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import structlog

from speechhub.errors import EngineCrashedError, RequestCancelledError, ShuttingDownError
from speechhub.lifecycle.events import Cancelled, Done, Event, Grant, Refuse, Requested
from speechhub.lifecycle.workers import Workers
from speechhub.worker.host import Worker

log = structlog.get_logger()


class Leases:
    """The tickets of one manager that are not over, and those who hold them."""

    def __init__(self, workers: Workers, *, post: Callable[[Event], None], cancel_grace_s: float) -> None:
        """Begin without tickets.

        Args:
            workers: Where granted workers are found.
            post: Takes the events.
            cancel_grace_s: How long an engine may take to notice that its call was cancelled.
        """
        self.closing = False
        """Whether the server stops: work that ends early then was cut off."""
        self._workers = workers
        self._post = post
        self._cancel_grace_s = cancel_grace_s
        self._waiters: dict[int, tuple[Requested, asyncio.Future[int]]] = {}

    def waiting(self) -> Iterable[Requested]:
        """Return what everybody who waits asked for."""
        return [request for request, _ in self._waiters.values()]

    async def wait(self, request: Requested) -> int:
        """Queue a ticket; return the epoch of the worker that it was granted.

        Raises:
            SpeechhubError: What the ticket was refused with.
        """
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiters[request.ticket] = request, waiter
        self._post(request)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._post(Cancelled(ticket=request.ticket))
            raise
        finally:
            del self._waiters[request.ticket]

    @asynccontextmanager
    async def lease(self, request: Requested) -> AsyncIterator[Worker]:
        """Wait for an engine, and use it alone; see `Manager.lease`."""
        worker = self._workers.get(await self.wait(request))
        try:
            if worker is None:
                raise EngineCrashedError(  # noqa: TRY301  # as if it had ended a moment later
                    f"The engine of model {request.target!r} ended before it could be used."
                )
            yield worker
        except (RequestCancelledError, EngineCrashedError) as error:
            if self.closing:  # it did not end by itself
                raise ShuttingDownError from error
            raise
        finally:
            # In a task of its own: whoever leaves the lease may be cancelled, and must not hold it then.
            self._workers.spawn(self._give_back(request, worker))

    def answer(self, effect: Grant | Refuse) -> None:
        """Tell who waits."""
        _, waiter = self._waiters.get(effect.ticket, (None, None))
        if waiter is None or waiter.done():  # cancelled a moment ago: its Cancelled event follows
            return
        if isinstance(effect, Refuse):
            waiter.set_exception(effect.error)
        else:
            waiter.set_result(effect.epoch)

    async def _give_back(self, request: Requested, worker: Worker | None) -> None:
        """End a lease: the next one is granted when the engine is idle, or gone."""
        if worker is not None and worker.ended is None and not await worker.settle(self._cancel_grace_s):
            log.warning("engine does not stop a cancelled call and is killed", engine=worker.engine.name)
            worker.kill()
            await worker.exited
        if worker is not None and worker.ended is not None:
            self._workers.gone(request.target, worker.epoch)  # before Done, or a dead worker would be granted
        self._post(Done(ticket=request.ticket))
